"""The archive's bytes: a plain tar in which nothing is left to choice, so that reading is comparing.

A reader of tar believes what each header says: names, links, devices, sparse files. This one believes the signed
manifest alone. It knows from there what every next header has to be, bit for bit, and refuses any other. ``tar -tf``
lists such an archive all the same.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pydantic import Field

from slipstream.errors import ArchiveError
from slipstream.transfer.keys import fingerprint
from slipstream.transfer.manifest import MANIFEST, SIGNATURE, Manifest, Member, Part

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_BLOCK, _END = 512, bytes(1024)
_HEAD_BYTES = 1024**2  # more than any manifest needs
_CHUNK = 1024**2
_CONTEXT = b"slipstream archive 1\n"  # so that a signature of anything else is none of an archive
_AGAIN = "Nothing was imported. Have the version exported and brought here again."
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
}


class Signature(Part):
    """The second file: who signed the first. In hex, which says the same bytes in one way only; base64 does not."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


def describe(folder: Path) -> tuple[Member, ...]:
    """Return name, size and digest of every file below a folder, in the order of an archive."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return tuple(
        Member(name=name, size=(folder / name).stat().st_size, sha256=_digest(folder / name)) for name in names
    )


def write_archive(manifest: Manifest, folder: Path, target: Path, key: Ed25519PrivateKey) -> str:
    """Write the folder's files as one archive, whole or not at all, readable by its owner; return its SHA-256."""
    head, digest = manifest.as_bytes(), hashlib.sha256()
    signature = Signature(key=fingerprint(key.public_key()), signature=key.sign(_CONTEXT + head).hex())
    with _replacing(target) as stream:

        def put(name: str, content: IO[bytes], size: int) -> None:
            for chunk in (_header(name, size), *iter(lambda: content.read(_CHUNK), b""), bytes(-size % _BLOCK)):
                stream.write(chunk)
                digest.update(chunk)

        for name, part in ((MANIFEST, head), (SIGNATURE, signature.as_bytes())):
            put(name, io.BytesIO(part), len(part))
        for member in manifest.members:
            with (folder / member.name).open("rb") as content:
                put(member.name, content, member.size)
        stream.write(_END)
        digest.update(_END)
    return digest.hexdigest()


def read_archive(
    path: Path, into: Path, *, keys: Mapping[str, Ed25519PublicKey], limit: int
) -> tuple[Manifest, str, str]:
    """Take an archive apart below ``into``, and return its manifest, its SHA-256 and its signer's fingerprint.

    Raises:
        ArchiveError: It is larger than ``limit`` bytes, nobody in ``keys`` signed it, or a byte of it is not what was
            signed.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise ArchiveError(message) from error
    with stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit:
            message = (
                f"{path} has {size:,} bytes; SLIPSTREAM_ARCHIVE_BYTES allows {limit:,}. Nothing was imported. Raise "
                f"the setting if a model of yours is that large."
            )
            raise ArchiveError(message)
        reader = _Reader(stream, path)
        head, signature = reader.head(MANIFEST), reader.head(SIGNATURE)
        signer = _check_signature(head, Signature.from_bytes(signature, what=SIGNATURE), keys)
        manifest = Manifest.from_bytes(head, what=MANIFEST)
        if sum(member.size for member in manifest.members) > size:
            message = f"{path}: its manifest names more bytes than its {size:,}. {_AGAIN}"
            raise ArchiveError(message)
        for name, content in ((MANIFEST, head), (SIGNATURE, signature)):
            (into / name).write_bytes(content)
        for member in manifest.members:
            reader.member(member, into / member.name)
        return manifest, reader.end(), signer


class _Reader:
    """Goes through an archive from front to back, once, so that what was checked is what was read."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream, self._path, self._digest = stream, path, hashlib.sha256()

    def head(self, name: str) -> bytes:
        """Return one of the two files whose size no manifest says."""
        header = self._read(_BLOCK, name)
        try:
            size = tarfile.TarInfo.frombuf(header, "ascii", "strict").size
        except (tarfile.TarError, ValueError):
            size = -1
        if not 0 <= size <= _HEAD_BYTES or header != _header(name, size):
            raise self._other(f"an archive of Slipstream with {name} in its place", header)
        content = self._read(size, name)
        self._padding(size, name)
        return content

    def member(self, member: Member, target: Path) -> None:
        """Write the next file to ``target`` if it is the member that the manifest says."""
        header, digest, left = self._read(_BLOCK, member.name), hashlib.sha256(), member.size
        if header != _header(member.name, member.size):
            raise self._other(f"the file {member.name} of {member.size:,} bytes", header)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            while left:
                chunk = self._read(min(left, _CHUNK), member.name)
                left -= len(chunk)
                digest.update(chunk)
                stream.write(chunk)
        self._padding(member.size, member.name)
        if digest.hexdigest() != member.sha256:
            message = (
                f"{self._path}: {member.name} is not what was signed: its SHA-256 should be {member.sha256[:12]}…, is "
                f"{digest.hexdigest()[:12]}…. {_AGAIN}"
            )
            raise ArchiveError(message)

    def end(self) -> str:
        """Return the archive's SHA-256 if nothing follows."""
        tail = self._stream.read(_BLOCK)
        if tail and any(tail):
            raise self._other("the end after the last file that the manifest names", tail)
        self._digest.update(tail)
        rest = tail + self._stream.read(_BLOCK + 1)
        if rest != _END:
            message = f"{self._path}: wanted {len(_END)} zero bytes and then its end, found otherwise. {_AGAIN}"
            raise ArchiveError(message)
        self._digest.update(rest[len(tail) :])
        return self._digest.hexdigest()

    def _read(self, size: int, name: str) -> bytes:
        found = self._stream.read(size)
        if len(found) != size:
            message = f"{self._path} ends in the midst of {name}: it is no archive of ours, or not all of one. {_AGAIN}"
            raise ArchiveError(message)
        self._digest.update(found)
        return found

    def _padding(self, size: int, name: str) -> None:
        if any(self._read(-size % _BLOCK, name)):
            message = f"{self._path}: what fills up the last block after {name} is not empty. {_AGAIN}"
            raise ArchiveError(message)

    def _other(self, wanted: str, block: bytes) -> ArchiveError:
        return ArchiveError(f"{self._path}: wanted {wanted}, found {_told(block)}. {_AGAIN}")


def _check_signature(head: bytes, found: Signature, keys: Mapping[str, Ed25519PublicKey]) -> str:
    from cryptography.exceptions import InvalidSignature

    key = keys.get(found.key)
    if key is None:
        message = (
            f"The archive is signed by the key {found.key[:12]}, which is not trusted here; trusted are "
            f"{', '.join(each[:12] for each in keys)}. Nothing was imported. If it is the key of your other side, put "
            f"its public part into the file that SLIPSTREAM_TRUSTED_KEYS names."
        )
        raise ArchiveError(message)
    try:
        key.verify(bytes.fromhex(found.signature), _CONTEXT + head)
    except InvalidSignature as error:
        message = (
            f"The signature of the key {found.key[:12]} does not fit {MANIFEST}: one of them was changed. {_AGAIN}"
        )
        raise ArchiveError(message) from error
    return found.key


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _told(block: bytes) -> str:
    """Say what a header is of, for a message."""
    if not any(block):
        return "the end"
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return "something that is no file of a tar"
    kind = _KINDS.get(info.type, "the file" if info.type == tarfile.REGTYPE else "something special")
    return f"{kind} {info.name!a} of {info.size:,} bytes"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file beside ``target`` that takes its place when all is written."""
    try:
        stream = tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False)  # noqa: SIM115 - closed below
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror or error}. Name a file in a folder that is there."
        raise ArchiveError(message) from error
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(stream.name).replace(target)
    except BaseException:
        Path(stream.name).unlink(missing_ok=True)
        raise
