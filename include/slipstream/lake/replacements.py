"""Files of old versions that held an erased subject, and the files without the subject that stand in for them.

Delta's log cannot be told that a file of an old version is another one now. So an erasure writes down, beside the log,
which file stands in for which; old versions are read with that. Each erasure has a file of its own there, so that two
never write to the same one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.fs as pafs

from slipstream.lake.storage import Storage

FOLDER = "_erased"
PARALLEL = 16


@dataclass(frozen=True)
class Replacement:
    """A file that stands in for another: its path below the table, and its size in bytes."""

    path: str
    size: int


def read_replacements(storage: Storage, table: str) -> dict[str, Replacement | None]:
    """Return what stands in for which file of ``table``; None where nothing of the file was left."""
    selector = pafs.FileSelector(storage.path(table, FOLDER), allow_not_found=True)
    names = [
        info.path for info in storage.filesystem.get_file_info(selector) if info.is_file and info.path.endswith(".json")
    ]
    if not names:
        return {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        parts = list(pool.map(lambda path: _read(storage, path), sorted(names)))
    return {path: each for part in parts for path, each in part.items()}


def write_replacements(storage: Storage, table: str, erasure: str, more: Mapping[str, Replacement | None]) -> None:
    """Add to what an erasure has written down, whole or not at all."""
    target = storage.path(table, FOLDER, f"{erasure}.json")
    known: dict[str, Replacement | None] = {}
    if storage.filesystem.get_file_info(target).type == pafs.FileType.File:
        known = _read(storage, target)
    plain = {path: None if each is None else asdict(each) for path, each in {**known, **more}.items()}
    put(storage, target, json.dumps(plain, sort_keys=True).encode())


def put(storage: Storage, target: str, content: bytes) -> None:
    """Write a file so that nobody ever reads a part of it, and a kill leaves the old one or the new one."""
    storage.make_folder(target.rpartition("/")[0])
    if not storage.is_local:  # an object appears when it is closed
        with storage.filesystem.open_output_stream(target) as sink:
            sink.write(content)
        return
    partial = Path(f"{target}.{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def stands_in(path: str, replaced: Mapping[str, Replacement | None]) -> tuple[str | None, int | None]:
    """Return path and size of what stands in for a file: none where nothing is left, no size where it is itself.

    A file that stands in may be replaced in its turn, by the erasure of somebody else.
    """
    size: int | None = None
    while path in replaced:
        other = replaced[path]
        if other is None:
            return None, None
        path, size = other.path, other.size
    return path, size


def originals(paths: Iterable[str], replaced: Mapping[str, Replacement | None]) -> dict[str, str]:
    """Return by which name the log knows each of ``paths``: that of the file that it stands in for, or its own."""
    stood_in_for = {each.path: path for path, each in replaced.items() if each is not None}
    found = {}
    for path in paths:
        found[path] = path
        while found[path] in stood_in_for:
            found[path] = stood_in_for[found[path]]
    return found


def _read(storage: Storage, path: str) -> dict[str, Replacement | None]:
    with storage.filesystem.open_input_stream(path) as stream:
        plain = json.loads(stream.read())
    return {name: None if each is None else Replacement(**each) for name, each in plain.items()}
