"""Keeping a table small and quick without changing what any kept version says."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.fs as pafs
from deltalake import CommitProperties, WriterProperties
from deltalake.exceptions import CommitFailedError

from slipstream.lake.replacements import FOLDER
from slipstream.lake.snapshots import Snapshots

KEPT = ("_delta_log/", f"{FOLDER}/")


@dataclass(frozen=True)
class Compaction:
    """What compaction did; ``skipped`` where a writer was faster, so that it is left to the next time."""

    table: str
    files_before: int
    files_after: int
    skipped: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Vacuum:
    """What was deleted."""

    table: str
    files: int
    bytes: int
    kept_versions: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "kept_versions": list(self.kept_versions)}


def compact(snapshots: Snapshots) -> Compaction:
    """Join the small files of each interval."""
    snapshot = snapshots.newest()
    if snapshot is None:
        return Compaction(snapshots.name, 0, 0)
    before = len(snapshot.paths)
    try:
        snapshot.delta.optimize.compact(
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except CommitFailedError:
        return Compaction(snapshots.name, before, before, skipped=True)
    after = snapshots.newest()
    return Compaction(snapshots.name, before, len(after.paths) if after else 0)


def vacuum(snapshots: Snapshots, *, keep_versions: Iterable[int], older_than: timedelta) -> Vacuum:
    """Delete what no kept version needs.

    A file's age is the store's own time of last change, and a version's the time in its commit. A version that was
    replaced less than ``older_than`` ago is kept too, because somebody may be reading it.
    """
    newest = snapshots.newest()
    if newest is None:
        return Vacuum(snapshots.name, 0, 0)
    limit = datetime.now(UTC) - older_than
    kept = sorted({newest.version, *keep_versions, *_young(snapshots, newest.version, limit)})
    needed = {path for version in kept for path in snapshots.at(version).paths}
    storage = snapshots.storage
    base = storage.path(snapshots.name)
    deleted = size = 0
    for info in storage.filesystem.get_file_info(pafs.FileSelector(base, recursive=True)):
        path = info.path.removeprefix(base).lstrip("/")
        if not info.is_file or path.startswith(KEPT) or path in needed or info.mtime >= limit:
            continue
        with suppress(FileNotFoundError):
            storage.filesystem.delete_file(info.path)
            deleted, size = deleted + 1, size + info.size
    return Vacuum(snapshots.name, deleted, size, tuple(kept))


def _young(snapshots: Snapshots, newest: int, limit: datetime) -> list[int]:
    """Return the versions that were still the newest after ``limit``."""
    young = []
    for version in range(newest, -1, -1):
        young.append(version)
        entry = snapshots.log.entry(version)
        if entry is None or entry.info.get("timestamp", 0) / 1000 < limit.timestamp():
            break
    return young
