"""What a Delta log itself says of a file: between which versions it was there, and its smallest and largest values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from slipstream.lake.replacements import PARALLEL, put
from slipstream.lake.snapshots import Snapshots
from slipstream.lake.storage import Storage

Lives = dict[str, tuple[int | None, int | None]]


def lives_of(storage: Storage, table: str, newest: int, paths: Collection[str]) -> Lives:
    """Return the versions ``[since, until)`` of the table that name each of ``paths``; until is None for ever."""
    found: Lives = {}
    if not paths:
        return found
    for version, lines in _commits(storage, table, newest):
        for kind, action in _file_actions(lines):
            path = unquote(action["path"])
            if path in paths:
                since = found.get(path, (version, None))[0]
                found[path] = (since, None) if kind == "add" else (since, version)
    return found


def scrub_log(snapshots: Snapshots, there: Collection[str]) -> None:
    """Take the smallest and largest values of all files but those that are ``there`` out of the log.

    They would name people whose rows are gone, and nobody reads such a file any more. Checkpoints that name one are
    made anew. Doing it again changes nothing.
    """
    newest = snapshots.newest()
    if newest is None:
        return
    storage, table = snapshots.storage, snapshots.name
    for version, lines in _commits(storage, table, newest.version):
        changed = [_without_values(line, there) for line in lines]
        if changed != lines:
            put(storage, _commit_path(storage, table, version), ("\n".join(changed) + "\n").encode())
    stale = [path for path in _checkpoints(storage, table) if _names_others(storage, path, there)]
    if stale:
        newest.delta.create_checkpoint()
        mine = f"{newest.version:020d}.checkpoint.parquet"
        for path in stale:
            if not path.endswith(mine):
                storage.filesystem.delete_file(path)


def _commits(storage: Storage, table: str, newest: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each commit's lines; several are read at once, for a store may be far away."""
    for begin in range(0, newest + 1, PARALLEL * 4):
        versions = range(begin, min(begin + PARALLEL * 4, newest + 1))
        with ThreadPoolExecutor(PARALLEL) as pool:
            texts = list(pool.map(lambda version: _read(storage, _commit_path(storage, table, version)), versions))
        yield from ((version, lines) for version, lines in zip(versions, texts, strict=True) if lines)


def _read(storage: Storage, path: str) -> list[str]:
    try:
        with storage.filesystem.open_input_stream(path) as stream:
            return str(stream.read().decode("utf-8")).splitlines()
    except FileNotFoundError:
        return []


def _commit_path(storage: Storage, table: str, version: int) -> str:
    return storage.path(table, "_delta_log", f"{version:020d}.json")


def _file_actions(lines: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in lines:
        if line.startswith(('{"add"', '{"remove"')):
            yield from json.loads(line).items()


def _without_values(line: str, there: Collection[str]) -> str:
    if not line.startswith('{"add"'):
        return line
    content = json.loads(line)
    action = content["add"]
    if unquote(action["path"]) in there or not action.get("stats"):
        return line
    stats = json.loads(action["stats"])
    if not stats.get("minValues") and not stats.get("maxValues"):
        return line
    action["stats"] = json.dumps({**stats, "minValues": {}, "maxValues": {}}, separators=(",", ":"))
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _checkpoints(storage: Storage, table: str) -> list[str]:
    selector = pafs.FileSelector(storage.path(table, "_delta_log"), allow_not_found=True)
    infos = storage.filesystem.get_file_info(selector)
    return [info.path for info in infos if info.is_file and info.path.endswith(".checkpoint.parquet")]


def _names_others(storage: Storage, checkpoint: str, there: Collection[str]) -> bool:
    with storage.filesystem.open_input_file(checkpoint) as source:
        column = pq.read_table(source, columns=["add"]).column("add")
    named = pc.struct_field(column, "path").drop_null().to_pylist() if pa.types.is_struct(column.type) else []
    return any(unquote(path) not in there for path in named)
