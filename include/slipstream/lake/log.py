"""Reading a Delta log for what ``deltalake`` does not hand out: all application transactions, one commit's record.

Commits never change once written and the lake's tables never expire them, so what was read is kept in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow.fs as pafs
import pyarrow.parquet as pq

from slipstream.lake.storage import Storage

PARALLEL = 16
PROBES = 128  # more than there are commits between two checkpoints


@dataclass(frozen=True)
class Entry:
    """One commit of the log, without its files."""

    info: dict[str, Any] = field(default_factory=dict)
    transactions: dict[str, int] = field(default_factory=dict)


class Log:
    """The log of one table.

    Args:
        storage: Where the table lies.
        table: The table's path on the storage's filesystem.
    """

    def __init__(self, storage: Storage, table: str) -> None:
        self._storage = storage
        self._folder = f"{table}/_delta_log"
        self._entries: dict[int, Entry] = {}
        self._replayed: tuple[int, dict[str, int]] = (-1, {})

    def entry(self, version: int) -> Entry | None:
        """Return the commit that made ``version``; None where there is none."""
        if version not in self._entries:
            try:
                with self._storage.filesystem.open_input_stream(f"{self._folder}/{version:020d}.json") as stream:
                    self._entries[version] = _parse(stream.read().decode("utf-8").splitlines())
            except FileNotFoundError:
                return None
        return self._entries[version]

    def stamp(self, known: str | None = None) -> str | None:
        """Return number, time and size of the newest commit; None where there is no log.

        Only commits after the one ``known`` before, or after the newest checkpoint, are looked for: a folder of a
        thousand commits takes long to list.
        """
        if known is not None:
            version = version_of(known)
            present, following = self._infos(version, 2)
            if _stamp(present) == known and not following.is_file:
                return known
        newest, first = None, max(self._last_checkpoint(), 0)
        while True:
            found = [info for info in self._infos(first, PROBES) if info.is_file]
            newest = max(found, key=lambda info: info.base_name, default=newest)
            if len(found) < PROBES:
                return _stamp(newest) if newest is not None else None
            first += PROBES

    def _infos(self, first: int, number: int) -> list[pafs.FileInfo]:
        names = [f"{self._folder}/{version:020d}.json" for version in range(first, first + number)]
        found: list[pafs.FileInfo] = self._storage.filesystem.get_file_info(names)
        return found

    def entries(self, versions: Iterable[int]) -> Iterator[tuple[int, Entry]]:
        """Yield the commits of ``versions`` in their order, reading several at once; missing ones are left out."""
        wanted = list(versions)
        for begin in range(0, len(wanted), PARALLEL * 4):
            chunk = wanted[begin : begin + PARALLEL * 4]
            unknown = [version for version in chunk if version not in self._entries]
            if len(unknown) > 2:
                with ThreadPoolExecutor(PARALLEL) as pool:
                    list(pool.map(self.entry, unknown))
            for version in chunk:
                entry = self.entry(version)
                if entry is not None:
                    yield version, entry

    def transactions(self, version: int) -> dict[str, int]:
        """Return the newest version of each application transaction, as of the table's ``version``."""
        reached, known = self._replayed
        if reached > version or reached < 0:
            reached, known = self._checkpoint(version)
        known = dict(known)
        for _, entry in self.entries(range(reached + 1, version + 1)):
            known.update(entry.transactions)
        if version >= self._replayed[0]:
            self._replayed = (version, known)
        return known

    def _checkpoint(self, version: int) -> tuple[int, dict[str, int]]:
        """Return the newest checkpoint at or before ``version``; (-1, {}) where the log must be read from its start."""
        newest = self._newest_checkpoint(version)
        if newest < 0:
            return -1, {}
        try:
            with self._storage.filesystem.open_input_file(f"{self._folder}/{newest:020d}.checkpoint.parquet") as file:
                column = pq.read_table(file, columns=["txn"]).column("txn")
        except (OSError, KeyError):  # no such single file: another kind of checkpoint, or none after all
            return -1, {}
        return newest, {txn["appId"]: txn["version"] for txn in column.drop_null().to_pylist() if txn["appId"]}

    def _last_checkpoint(self) -> int:
        try:
            with self._storage.filesystem.open_input_stream(f"{self._folder}/_last_checkpoint") as stream:
                return int(json.loads(stream.read())["version"])
        except (OSError, ValueError, KeyError):
            return -1

    def _newest_checkpoint(self, version: int) -> int:
        last = self._last_checkpoint()
        if last < 0:
            return -1
        if last <= version:
            return last
        selector = pafs.FileSelector(self._folder, allow_not_found=True)
        names = [info.base_name for info in self._storage.filesystem.get_file_info(selector)]
        found = [int(name[:20]) for name in names if name.endswith(".checkpoint.parquet") and name[:20].isdigit()]
        return max((number for number in found if number <= version), default=-1)


def version_of(stamp: str) -> int:
    """Return the version that a stamp is of."""
    return int(stamp.partition(":")[0])


def _stamp(info: pafs.FileInfo) -> str:
    return f"{int(info.base_name[:20])}:{info.mtime_ns}:{info.size}"


def _parse(lines: Iterable[str]) -> Entry:
    info: dict[str, Any] = {}
    transactions: dict[str, int] = {}
    for line in lines:
        if line.startswith(('{"add"', '{"remove"', '{"metaData"', '{"protocol"')):
            continue
        action = json.loads(line)
        if "commitInfo" in action:
            info = action["commitInfo"]
        elif "txn" in action:
            transactions[action["txn"]["appId"]] = action["txn"]["version"]
    return Entry(info, transactions)
