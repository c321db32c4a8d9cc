"""Archives as somebody might make them who wants in: taken apart, changed, put together, signed or not."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipstream.transfer.keys import fingerprint

Parts = dict[str, bytes]
HEADS = ("manifest.json", "manifest.sig")


def parts_of(archive: Path) -> Parts:
    """Return every file of an archive, its two heads too."""
    with tarfile.open(archive) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]


def pack(path: Path, parts: Iterable[tuple[tarfile.TarInfo | str, bytes]]) -> Path:
    """Write files as a tar, in this order, and with these headers."""
    with path.open("wb") as stream:
        for name, content in parts:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            if isinstance(name, str):
                info.size = len(content)
            stream.write(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
        stream.write(bytes(1024))
    return path


def signed(
    parts: Parts, key: Ed25519PrivateKey, *, manifest: Callable[[dict[str, Any]], None] | None = None
) -> list[tuple[str, bytes]]:
    """Return files with a manifest that names them as they are, signed; ``manifest`` may change it before that."""
    told = json.loads(parts["manifest.json"])
    files = {name: content for name, content in sorted(parts.items()) if name not in HEADS}
    told["members"] = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    if manifest is not None:
        manifest(told)
    head = written(told)
    return [("manifest.json", head), ("manifest.sig", signature(head, key)), *files.items()]


def signature(head: bytes, key: Ed25519PrivateKey) -> bytes:
    proof = key.sign(b"slipstream archive 1\n" + head).hex()
    return written({"key": fingerprint(key.public_key()), "signature": proof})


def written(document: Any) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
