"""A table of the lake: rows by interval, each interval written whole or not at all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from slipstream.errors import IncompleteError, SchemaError
from slipstream.intervals import Interval, utc
from slipstream.lake import maintenance
from slipstream.lake.commits import Commit, Provenance, Verification
from slipstream.lake.completeness import Completeness
from slipstream.lake.digest import digest_rows
from slipstream.lake.erasures import Suppressions
from slipstream.lake.log import version_of
from slipstream.lake.maintenance import Compaction, Vacuum
from slipstream.lake.removal import Removal
from slipstream.lake.snapshots import Snapshot, Snapshots
from slipstream.lake.storage import Storage
from slipstream.lake.writing import Writer

BATCH_ROWS = 65_536
BOUNDED = {"batch_size": BATCH_ROWS, "batch_readahead": 2, "fragment_readahead": 1}  # Arrow's defaults hold 64 batches

if TYPE_CHECKING:
    import pyarrow.dataset as pads  # brings pandas


class Table:
    """One Delta table, partitioned by ``interval_start`` (timestamp[us, UTC]), which the lake adds to the rows.

    All times are aware and UTC. Where ``version`` is None, the newest version is meant.
    """

    def __init__(self, name: str, storage: Storage, suppressions: Suppressions) -> None:
        self.name = name
        self._snapshots = Snapshots(name, storage)
        self._suppressions = suppressions

    def __repr__(self) -> str:
        return f"Table({self.name!r})"

    def exists(self) -> bool:
        return self._snapshots.newest() is not None

    def version(self) -> int | None:
        """Return the newest Delta version; None where the table does not exist."""
        newest = self._snapshots.newest()
        return newest.version if newest else None

    def schema(self, version: int | None = None) -> pa.Schema:
        """Return the columns, ``interval_start`` among them; NotFoundError where the table does not exist."""
        return self._snapshots.at(version).schema

    def write(
        self,
        interval: Interval,
        rows: pa.Table | pa.RecordBatchReader,
        *,
        provenance: Provenance,
        sort_by: Sequence[str] = (),
    ) -> Commit:
        """Replace exactly this interval, atomically, and record it complete in the same commit, also with no rows.

        Rows that the interval holds already (same digest) make no commit; ``changed`` is False then. Were they made by
        another definition or from other contents than recorded, a commit without files says so. A reader is
        written in bounded memory. An ``interval_start`` among the rows is ignored. New columns join the schema.
        Complete intervals of another length that overlap this one are replaced as a whole: ``superseded`` names them.

        Args:
            interval: What the rows are for.
            rows: The rows, in any order; text, timestamps and so on of any Arrow layout.
            provenance: Who writes, and from what.
            sort_by: Columns to sort a table by first, so that filters on them read less; not for a reader.

        Raises:
            SchemaError: A column has another type than in the table, or one that cannot be stored.
            WriteConflictError: Another writer committed other rows to the interval meanwhile; nothing was written.
            ServiceError: The store did not answer.
        """
        if sort_by:
            if not isinstance(rows, pa.Table):
                message = "Wanted a table to sort, found a reader; sort its rows before, or leave out sort_by."
                raise SchemaError(message)
            rows = rows.sort_by([(name, "ascending") for name in sort_by])
        return self._writer().write(interval, rows, provenance)

    def append(self, rows: pa.Table, *, expected_version: int | None, provenance: Provenance) -> Commit:
        """Add rows to a table without intervals, if it still is at ``expected_version`` (None: if it does not exist).

        Raises:
            WriteConflictError: Somebody else wrote meanwhile; nothing was added. Read again, then decide again.
            SchemaError: The table is written by interval, or the rows do not fit it.
        """
        return self._writer().append(rows, expected_version=expected_version, provenance=provenance)

    def read(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """Return the rows of intervals that start in ``[start, end)``; where there are none, a table without rows.

        Args:
            start: First interval start to read; None reads from the beginning.
            end: Interval starts from here on are left out; None reads to the end.
            columns: What to load, in this order; None loads all.
            version: The Delta version to read.
            where: A filter that is pushed down to files and row groups.

        Raises:
            NotFoundError: The table or the version does not exist.
            SchemaError: A column does not exist.
        """
        scanner = self._scanner(start, end, columns, version, where)
        return scanner.to_table()

    def batches(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        where: pc.Expression | None = None,
    ) -> pa.RecordBatchReader:
        """Return what ``read`` returns, batch by batch, in bounded memory."""
        return self._scanner(start, end, columns, version, where, **BOUNDED).to_reader()

    def dataset(
        self, start: datetime | None = None, end: datetime | None = None, *, version: int | None = None
    ) -> pads.Dataset:
        """Return the files of intervals that start in ``[start, end)``, for DuckDB and the like."""
        return self._snapshots.at(version).dataset(_utc(start), _utc(end))

    def complete(self, interval: Interval, *, version: int | None = None) -> bool:
        """Say whether the table holds all rows of ``interval``: written so, or as shorter intervals that fill it."""
        return not self.missing([interval], version=version)

    def missing(self, intervals: Iterable[Interval], *, version: int | None = None) -> list[Interval]:
        """Return those of ``intervals`` that are not complete, in their order; all where there is no table."""
        snapshot = self._maybe(version)
        return [i for i in intervals if snapshot is None or not snapshot.completeness.complete(i)]

    def intervals(self, version: int | None = None) -> list[Interval]:
        """Return every complete interval as it was written, sorted."""
        snapshot = self._maybe(version)
        return list(snapshot.completeness.live) if snapshot else []

    def counts(self) -> dict[Interval, int]:
        """Return how many rows each complete interval has, in their order; the log tells, so no row is read."""
        snapshot = self._maybe(None)
        return snapshot.counts() if snapshot else {}

    def stamp(self, known: str | None = None) -> str | None:
        """Return what changes whenever the table does, its version among it; None without a table.

        It is cheap, more so with the stamp that was ``known`` before: what was read of a table can be kept by it.
        """
        return self._snapshots.log.stamp(known)

    def latest(self) -> Interval | None:
        """Return the newest complete interval; the log alone tells, so this is quicker than ``intervals``."""
        stamp = self.stamp()
        if stamp is None:
            return None
        live = Completeness(self._snapshots.log.transactions(version_of(stamp))).live
        return next(reversed(live), None)

    def commits(self, *, interval: Interval | None = None, limit: int | None = None) -> list[Commit]:
        """Return writes with their provenance, newest first; with ``interval``, only those of exactly that one."""
        newest = self._snapshots.newest()
        found: list[Commit] = []
        if newest is None or (limit is not None and limit <= 0):
            return found
        for version, entry in self._snapshots.log.entries(range(newest.version, -1, -1)):
            commit = Commit.from_log(self.name, version, entry.info)
            if commit is not None and (interval is None or commit.interval == interval):
                found.append(commit)
            if len(found) == limit:
                break
        return found

    def commit_of(self, interval: Interval, *, version: int | None = None) -> Commit | None:
        """Return the commit that wrote what ``interval`` holds; None where it was not written as exactly this one."""
        snapshot = self._maybe(version)
        return self._commit_of(snapshot, interval) if snapshot else None

    def contents(self, intervals: Iterable[Interval], *, version: int | None = None) -> dict[Interval, str]:
        """Return the digest of each live interval that shares a moment with one of ``intervals``."""
        snapshot = self._maybe(version)
        if snapshot is None:
            return {}
        parts = {part: at for each in intervals for part, at in snapshot.completeness.overlapping(each).items()}
        infos = {at: entry.info for at, entry in self._snapshots.log.entries(sorted(set(parts.values())))}
        commits = {part: Commit.from_log(self.name, at, infos.get(at, {})) for part, at in sorted(parts.items())}
        return {part: commit.digest if commit else "" for part, commit in commits.items()}

    def verify(self, interval: Interval | None = None) -> list[Verification]:
        """Compute digests anew from the rows, in order of intervals; one interval, or every complete one.

        Raises:
            IncompleteError: ``interval`` was not written as exactly this one.
        """
        snapshot = self._maybe(None)
        live = list(snapshot.completeness.live) if snapshot else []
        if interval is not None and interval not in live:
            message = f"Wanted to verify {interval} of table {self.name!r}, which is not complete. Run its stage first."
            raise IncompleteError(message)
        wanted = live if interval is None else [interval]
        return [self._verify(snapshot, one) for one in wanted] if snapshot else []

    def compact(self) -> Compaction:
        """Join small files within each interval; no row, digest or completeness changes."""
        return maintenance.compact(self._snapshots)

    def vacuum(self, keep_versions: Iterable[int], older_than: timedelta) -> Vacuum:
        """Delete files that no version needs which is kept or younger than ``older_than``, and leftovers of that age.

        The newest version is always kept. Use an ``older_than`` longer than any write takes.
        """
        return maintenance.vacuum(self._snapshots, keep_versions=keep_versions, older_than=older_than)

    def removal(self) -> Removal:
        """Return what takes a subject's rows out of the table and all its versions."""
        return Removal(self._snapshots, self._suppressions)

    def _writer(self) -> Writer:
        return Writer(self._snapshots, self._suppressions)

    def _maybe(self, version: int | None) -> Snapshot | None:
        return self._snapshots.newest() if version is None else self._snapshots.at(version)

    def _commit_of(self, snapshot: Snapshot, interval: Interval) -> Commit | None:
        written = snapshot.completeness.live.get(interval)
        entry = self._snapshots.log.entry(written) if written is not None else None
        return Commit.from_log(self.name, written or 0, entry.info) if entry else None

    def _verify(self, snapshot: Snapshot, interval: Interval) -> Verification:
        commit = self._commit_of(snapshot, interval)
        recorded, columns = (commit.digest, list(commit.columns)) if commit else ("", snapshot.row_schema.names)
        scanner = snapshot.dataset(interval.start, interval.end).scanner(columns=columns, **BOUNDED)
        try:
            found = digest_rows(scanner.to_reader())
        except (OSError, pa.ArrowInvalid) as error:  # one broken file must not hide what the others hold
            return Verification(self.name, interval, 0, recorded, f"unreadable: {error}")
        return Verification(self.name, interval, found.rows, recorded, found.hex)

    def _scanner(
        self,
        start: datetime | None,
        end: datetime | None,
        columns: Sequence[str] | None,
        version: int | None,
        where: pc.Expression | None,
        **limits: int,
    ) -> pads.Scanner:
        snapshot = self._snapshots.at(version)
        names = snapshot.schema.names
        unknown = [name for name in columns or () if name not in names]
        if unknown:
            near = {match for name in unknown for match in difflib.get_close_matches(name, names, n=2)}
            hint = f" Did you mean {sorted(near)}?" if near else ""
            message = f"Wanted columns {unknown} of table {self.name!r}; it has {names}.{hint}"
            raise SchemaError(message)
        chosen = list(columns) if columns is not None else None
        return snapshot.dataset(_utc(start), _utc(end)).scanner(columns=chosen, filter=where, **limits)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else utc(moment)
