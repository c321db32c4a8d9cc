"""The bytes of an archive, without a registry: what was not signed is not read."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipstream.errors import ArchiveError, SettingsError
from slipstream.settings import Settings
from slipstream.transfer import signing_key, trusted_keys
from slipstream.transfer.container import describe, read_archive, write_archive
from slipstream.transfer.manifest import REQUIRED, Manifest, Source

from .conftest import Keys
from .tampering import Parts, pack, parts_of, signature, signed, written

SOURCE = Source(registry="0123456789ab", environment="staging", run_id="abc")
Read = Callable[..., Manifest]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate((*REQUIRED, "run/curves/roc.png")):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(number).randbytes(200 * number))
    return tmp_path / "files"


@pytest.fixture
def small(folder: Path, tmp_path: Path, keys: Keys) -> Path:
    """Give an archive of files that say nothing."""
    manifest = Manifest(model="moved", version="3", slipstream="0.1.0", source=SOURCE, members=describe(folder))
    write_archive(manifest, folder, tmp_path / "small.slipstream", keys.key)
    return tmp_path / "small.slipstream"


@pytest.fixture
def read(tmp_path: Path, keys: Keys) -> Read:
    def into(path: Path, *, limit: int = 10**7, trusted: Keys = keys) -> Manifest:
        target = tmp_path / "read"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        found = trusted_keys(Settings(trusted_keys=trusted.public))
        return read_archive(path, target, keys=found, limit=limit)[0]

    return into


def refused(read: Read, path: Path, words: str, **more: Any) -> None:
    with pytest.raises(ArchiveError, match=words):
        read(path, **more)


def test_what_was_written_is_what_is_read(small: Path, folder: Path, read: Read, tmp_path: Path) -> None:
    manifest = read(small)

    assert (manifest.model, manifest.version, manifest.source) == ("moved", "3", SOURCE)
    for member in manifest.members:
        assert (tmp_path / "read" / member.name).read_bytes() == (folder / member.name).read_bytes()
    assert len(manifest.members) == len(REQUIRED) + 1


def test_the_same_files_give_the_same_bytes_whenever_they_were_written(
    small: Path, folder: Path, tmp_path: Path, keys: Keys
) -> None:
    for path in folder.rglob("*"):
        path.touch()
        path.chmod(0o700)
    manifest = Manifest(model="moved", version="3", slipstream="0.1.0", source=SOURCE, members=describe(folder))
    digest = write_archive(manifest, folder, tmp_path / "again", keys.key)

    assert (tmp_path / "again").read_bytes() == small.read_bytes()
    assert digest == hashlib.sha256(small.read_bytes()).hexdigest()
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o600


def test_it_is_a_tar_that_a_person_can_list(small: Path) -> None:
    listed = subprocess.run(["tar", "-tf", str(small)], capture_output=True, text=True, check=True).stdout.split()

    assert listed == ["manifest.json", "manifest.sig", *sorted([*REQUIRED, "run/curves/roc.png"])]


def test_no_byte_of_it_can_be_flipped(small: Path, read: Read, tmp_path: Path) -> None:
    whole = small.read_bytes()
    heads = range(0, 512 * 12, 41)
    chance = random.Random(1)
    for place in {*heads, *(chance.randrange(len(whole)) for _ in range(50)), len(whole) - 1}:
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        (tmp_path / "flipped").write_bytes(changed)
        with pytest.raises(ArchiveError):
            read(tmp_path / "flipped")


def test_a_signature_is_written_in_one_way_only(small: Path, read: Read, tmp_path: Path) -> None:
    """Some encodings have bits that nobody reads: flipped, they would make another archive of the same content."""
    parts = parts_of(small)
    bits = len(parts["manifest.sig"]) * 8
    for place in {*range(0, bits, 23), *range(bits - 64, bits)}:
        changed = bytearray(parts["manifest.sig"])
        changed[place // 8] ^= 1 << place % 8
        refused(read, pack(tmp_path / "flipped", _with(parts, {"manifest.sig": bytes(changed)})), ".")


def test_it_can_neither_be_cut_nor_extended(small: Path, read: Read, tmp_path: Path) -> None:
    whole, path = small.read_bytes(), tmp_path / "other"
    for length in (0, 1, 511, 512, 700, len(whole) // 2, len(whole) - 1024, len(whole) - 512, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(read, path, "Nothing was imported")
    for more in (b"x", bytes(1), bytes(512), bytes(9216), whole):
        path.write_bytes(whole + more)
        refused(read, path, "Nothing was imported")


def test_a_file_that_is_no_archive_is_called_that(read: Read, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"<!doctype html>" * 100)
    refused(read, tmp_path / "page", "wanted an archive of Slipstream.*found something that is no file of a tar")
    refused(read, tmp_path / "absent", "cannot be read: No such file")
    refused(read, tmp_path, "cannot be read: Is a directory")


def test_another_key_is_not_trusted_and_its_signature_not_taken_for_ours(
    small: Path, read: Read, tmp_path: Path, keys: Keys, stranger: Keys
) -> None:
    parts = parts_of(small)
    theirs = pack(tmp_path / "theirs", signed(parts, stranger.key))
    refused(read, theirs, "which is not trusted here; trusted are")
    assert read(theirs, trusted=stranger).model == "moved"

    claimed = json.loads(signature(parts["manifest.json"], stranger.key))
    claimed["key"] = json.loads(parts["manifest.sig"])["key"]
    refused(read, pack(tmp_path / "claimed", [*_with(parts, {"manifest.sig": written(claimed)})]), "does not fit")


def test_a_manifest_that_was_not_signed_is_not_believed(small: Path, read: Read, tmp_path: Path) -> None:
    parts = parts_of(small)
    changed = parts["manifest.json"].replace(b'"staging"', b'"prod"')
    assert changed != parts["manifest.json"]
    refused(read, pack(tmp_path / "changed", _with(parts, {"manifest.json": changed})), "does not fit manifest.json")


def _with(parts: Parts, changes: Parts) -> list[tuple[str, bytes]]:
    return [(name, changes.get(name, content)) for name, content in parts.items()]


def special(name: str, kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    return info


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.GNUTYPE_SPARSE, "something special"),
    ],
)
def test_in_the_place_of_a_file_nothing_else_is_taken(
    small: Path, read: Read, tmp_path: Path, kind: bytes, word: str
) -> None:
    parts = [
        (special(name, kind), b"") if name == "model/model.skops" else (name, content)
        for name, content in parts_of(small).items()
    ]
    refused(read, pack(tmp_path / "special", parts), f"wanted the file model/model.skops.*found {word}")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "model/../../x", "run/curves/x.png", "model/model.skops"])
def test_a_file_that_the_manifest_does_not_name_is_refused_wherever_it_stands(
    small: Path, read: Read, tmp_path: Path, name: str
) -> None:
    parts = list(parts_of(small).items())
    refused(read, pack(tmp_path / "last", [*parts, (name, b"x")]), "wanted the end after the last file.*found the file")
    refused(read, pack(tmp_path / "amid", [*parts[:4], (name, b"x"), *parts[4:]]), "Nothing was imported")
    refused(
        read, pack(tmp_path / "first", [(name, b"x"), *parts]), "wanted an archive of Slipstream with manifest.json"
    )


def test_a_file_that_is_missing_or_out_of_order_is_noticed(small: Path, read: Read, tmp_path: Path) -> None:
    parts = list(parts_of(small).items())
    refused(read, pack(tmp_path / "less", [*parts[:5], *parts[6:]]), f"wanted the file {parts[5][0]}")
    refused(read, pack(tmp_path / "none", parts[:-1]), "wanted the file version.json.*found the end")
    refused(read, pack(tmp_path / "order", [*parts[:5], parts[6], parts[5], *parts[7:]]), "Nothing was imported")


NAMES = [
    "../x",
    "/etc/x",
    "model/../../x",
    "model/MLMODEL",
    "model/ＭLmodel",
    "model/MLmodel\u0000",
    "model/model.skops/x",
    "model/model.pkl",
    "model/code/run.py",
    "run/curves/../roc.png",
    "run/curves/roc.PNG",
    "run/curves/röc.png",
    "run\\curves\\roc.png",
    "",
    ".",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_trusted_key_cannot_name_a_file_that_no_export_writes(
    small: Path, read: Read, tmp_path: Path, keys: Keys, name: str
) -> None:
    def add(told: dict[str, Any]) -> None:
        told["members"] = sorted(
            [*told["members"], {"name": name, "size": 0, "sha256": hashlib.sha256(b"").hexdigest()}],
            key=lambda each: each["name"],
        )

    path = pack(tmp_path / "named", signed(parts_of(small), keys.key, manifest=add))
    refused(read, path, "is none that an export writes")
    assert not (tmp_path / "x").exists()


def test_nor_name_one_twice_leave_one_out_or_say_more_than_a_manifest_does(
    small: Path, read: Read, tmp_path: Path, keys: Keys
) -> None:
    def made(change: Callable[[dict[str, Any]], Any]) -> Path:
        def apply(told: dict[str, Any]) -> None:
            change(told)

        return pack(tmp_path / "made", signed(parts_of(small), keys.key, manifest=apply))

    refused(read, made(lambda told: told["members"].insert(0, told["members"][0])), "named twice, or not in order")
    refused(read, made(lambda told: told["members"].reverse()), "named twice, or not in order")
    refused(read, made(lambda told: told["members"].pop()), "members are missing: version.json")
    refused(read, made(lambda told: told.update(more=1)), "more: Extra inputs are not permitted")
    refused(read, made(lambda told: told.update(format=2)), "format: Input should be 1")
    refused(read, made(lambda told: told.update(model="../moved")), "model: String should match pattern")
    refused(read, made(lambda told: told.update(version="1 OR 1")), "version: String should match pattern")


def test_a_manifest_in_other_words_is_refused_though_it_is_signed(
    small: Path, read: Read, tmp_path: Path, keys: Keys
) -> None:
    parts = parts_of(small)
    for head in (
        json.dumps(json.loads(parts["manifest.json"])).encode(),
        b"[" * 100_000,
        b"\xff\xfe",
        b"{}",
        b'{"format": 1, "format": 1}',
    ):
        changed = {"manifest.json": head, "manifest.sig": signature(head, keys.key)}
        refused(read, pack(tmp_path / "head", _with(parts, changed)), "The archive's manifest.json is not")


def test_a_size_that_is_only_declared_is_not_made_room_for(small: Path, read: Read, tmp_path: Path, keys: Keys) -> None:
    def huge(told: dict[str, Any]) -> None:
        told["members"][0]["size"] = 10**15

    refused(
        read, pack(tmp_path / "huge", signed(parts_of(small), keys.key, manifest=huge)), "names more bytes than its"
    )
    refused(read, small, "SLIPSTREAM_ARCHIVE_BYTES allows 1,000", limit=1000)
    info = tarfile.TarInfo("manifest.json")
    info.size = 8**11 - 1
    refused(read, pack(tmp_path / "head", [(info, b"")]), "wanted an archive of Slipstream with manifest.json")


def test_a_failed_export_leaves_the_file_that_was_there(folder: Path, small: Path, tmp_path: Path, keys: Keys) -> None:
    before = small.read_bytes()
    manifest = Manifest(model="moved", version="3", slipstream="0.1.0", source=SOURCE, members=describe(folder))
    (folder / REQUIRED[0]).unlink()
    with pytest.raises(FileNotFoundError):
        write_archive(manifest, folder, small, keys.key)
    assert small.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
    with pytest.raises(ArchiveError, match="Name a file in a folder that is there"):
        write_archive(manifest, folder, tmp_path / "no" / "such", keys.key)


def test_keys_that_are_missing_or_of_another_kind_say_what_to_do(tmp_path: Path, keys: Keys) -> None:
    with pytest.raises(SettingsError, match=r"no key is set. `make keys` makes a pair"):
        signing_key(Settings())
    with pytest.raises(SettingsError, match="Set SLIPSTREAM_TRUSTED_KEYS to a file"):
        trusted_keys(Settings())
    with pytest.raises(SettingsError, match="absent cannot be read: No such file"):
        signing_key(Settings(signing_key=tmp_path / "absent"))
    with pytest.raises(SettingsError, match="is no private key in PEM"):
        signing_key(Settings(signing_key=keys.public))
    with pytest.raises(SettingsError, match="holds no public key"):
        trusted_keys(Settings(trusted_keys=keys.private))
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "private").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public").write_bytes(public + keys.public.read_bytes())
    with pytest.raises(SettingsError, match="wanted an Ed25519 key in"):
        signing_key(Settings(signing_key=tmp_path / "private"))
    with pytest.raises(SettingsError, match="wanted Ed25519 keys in"):
        trusted_keys(Settings(trusted_keys=tmp_path / "public"))


def test_several_keys_may_be_trusted_in_one_file(tmp_path: Path, keys: Keys, stranger: Keys) -> None:
    (tmp_path / "both").write_bytes(b"# ours\n" + keys.public.read_bytes() + b"\n" + stranger.public.read_bytes())

    assert len(trusted_keys(Settings(trusted_keys=tmp_path / "both"))) == 2
