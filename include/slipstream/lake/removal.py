"""Taking a subject's rows out of a table: out of its newest version, every older one, and the log's own notes.

A table is gone through until nothing is found. First a commit without files, which no write that began before it can
get past. Then each interval of the newest version that holds such rows is written anew without them. Then each older
file that holds some is replaced, for the versions that name it, and deleted. At last, what the log noted of the
smallest and largest values of files that are not there any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import CommitProperties
from deltalake.exceptions import DeltaError

from slipstream.errors import ServiceError, WriteConflictError
from slipstream.intervals import Interval, utc
from slipstream.lake.commits import BEFORE_ERASURE, RECORD, Commit, Provenance, Run
from slipstream.lake.digest import INTERVAL_COLUMN
from slipstream.lake.erasures import Suppressions, without
from slipstream.lake.naming import QUARANTINE, Names
from slipstream.lake.replacements import Replacement, originals, read_replacements, write_replacements
from slipstream.lake.scrubbing import lives_of, scrub_log
from slipstream.lake.snapshots import Snapshots
from slipstream.lake.writing import ATTEMPTS, ERASURE, Writer

PASSES = 10
NEVER = (None, None)
_ROWS = 65_536


@dataclass(frozen=True)
class HeldFile:
    """A file with rows of the subject.

    Attributes:
        start: Of its interval, UTC; None where its folder does not say.
        since, until: The versions of the table that name it, or the file that it stands in for, are
            ``[since, until)``; since is None where none does.
        live: Whether the newest version names it.
    """

    path: str
    rows: int
    start: datetime | None
    live: bool
    since: int | None = None
    until: int | None = None

    def in_version(self, version: int) -> bool:
        return self.since is not None and self.since <= version and (self.until is None or version < self.until)


@dataclass(frozen=True)
class Held:
    """What a table holds of a subject.

    Attributes:
        rows: Of the newest version.
        intervals: Of the newest version that have such rows.
        versions: How many versions of the table name a file with such rows.
    """

    table: str
    rows: int
    intervals: tuple[Interval, ...]
    files: tuple[HeldFile, ...]
    versions: int

    def rows_at(self, version: int, start: datetime | None, end: datetime) -> int:
        """Return how many rows of the subject ``version`` had in intervals that start in ``[start, end)``."""
        named = (each for each in self.files if each.in_version(version))
        return sum(
            each.rows for each in named
            if each.start is None or ((start is None or each.start >= start) and each.start < end)
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "intervals": len(self.intervals),
            "versions": self.versions,
            "files": len(self.files),
        }


class Removal(Writer):
    """Finds and removes the rows of a subject in one table."""

    def find(self, names: Sequence[Names]) -> Held:
        """Return what the table holds, in every file below it, those that no version names among them."""
        newest = self._snapshots.newest()
        if newest is None:
            return Held(self._name, 0, (), (), 0)
        live = dict(zip(newest.paths, newest.starts, strict=False))
        found = {path: count for path in self._files() if (count := self._count(path, names))}
        named_as = originals(found, read_replacements(self._storage, self._name))
        lives = lives_of(self._storage, self._name, newest.version, set(named_as.values()))
        files = tuple(
            HeldFile(path, count, _start_of(path, live.get(path)), path in live, *lives.get(named_as[path], NEVER))
            for path, count in sorted(found.items())
        )
        starts = {utc(live[path]) for path in found if path in live}
        naming = {version for each in files for version in _versions(each, newest.version)}
        return Held(
            table=self._name,
            rows=sum(each.rows for each in files if each.live),
            intervals=tuple(each for each in newest.completeness.live if each.start in starts),
            files=files,
            versions=len(naming),
        )

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield columns of every file below the table that has them all."""
        for path in self._files():
            yield from self._batches(path, columns)

    def remove(self, names: Sequence[Names], *, erasure: str, run: Run) -> None:
        """Remove what ``find`` finds; again where it finds more, as when somebody was about to write.

        Raises:
            WriteConflictError: Others kept writing; run it again.
        """
        self.stop_writers(erasure, run)
        for _ in range(PASSES):
            held = self.find(names)
            if not held.files:
                scrub_log(self._snapshots, set(self._files()))
                return
            for interval in held.intervals:
                self._rewrite(interval, names, erasure, run)
            newest = self._snapshots.newest()
            live = set(newest.paths) if newest else set()
            old = [each for each in held.files if each.path not in live]
            self._replace_files(old, names, erasure)
        message = f"Table {self._name!r} was written again and again while a subject was erased from it. Try again."
        raise WriteConflictError(message)

    def stop_writers(self, erasure: str, run: Run) -> None:
        """Commit nothing but a mark: a write that began before it fails, and one that begins later leaves rows out."""
        for _ in range(ATTEMPTS):
            newest = self._snapshots.newest()
            if newest is None:
                return
            ticket, failure = uuid.uuid4().hex, None
            mark = {"ticket": ticket, ERASURE: erasure, "run": run.as_dict()}
            try:
                newest.delta.create_write_transaction(
                    [],
                    mode="append",
                    schema=newest.schema,
                    partition_by=[INTERVAL_COLUMN],
                    commit_properties=CommitProperties(custom_metadata={RECORD: mark}, max_commit_retries=0),
                )
            except (DeltaError, OSError) as error:
                failure = error
            entry = self._snapshots.log.entry(newest.version + 1)
            if entry is None:
                message = f"Table {self._name!r} could not be marked: {failure}. Try again."
                raise ServiceError(message) from failure
            if entry.info.get(RECORD, {}).get("ticket") == ticket:
                return
        message = f"Table {self._name!r} took other commits {ATTEMPTS} times. Try again."
        raise WriteConflictError(message)

    def _rewrite(self, interval: Interval, names: Sequence[Names], erasure: str, run: Run) -> None:
        """Write an interval of the newest version without the subject; its provenance stays, and says since what."""
        base = self._snapshots.newest()
        version = base.completeness.live.get(interval) if base else None
        entry = self._snapshots.log.entry(version) if version is not None else None
        if base is None or entry is None:
            return  # somebody wrote another interval over it; the next pass sees what is there then
        before = Commit.from_log(self._name, version or 0, entry.info)
        columns = list(before.columns) if before else base.row_schema.names
        reader = base.dataset(interval.start, interval.end).scanner(columns=columns, batch_size=_ROWS).to_reader()
        counted = _Counted(reader, self._name, names)
        rows = pa.RecordBatchReader.from_batches(reader.schema, iter(counted))
        held = before.provenance if before else {}
        provenance = Provenance(
            run=run,
            inputs=held.get("inputs") or {},
            definition=held.get("definition", ""),
            reads=held.get("reads", ""),
            extra=held.get("extra") or {},
        )
        with self._stage(rows, base, provenance=provenance, interval=interval) as (staging, staged):
            more = {ERASURE: erasure, "erased": counted.dropped, BEFORE_ERASURE: before.origin if before else ""}
            told = replace(provenance, extra={**provenance.extra, **more})
            try:
                self._commit_interval(interval, replace(staged, provenance=told), base, staging)
            except WriteConflictError:
                return  # what was written meanwhile is looked at in the next pass

    def _replace_files(self, files: Iterable[HeldFile], names: Sequence[Names], erasure: str) -> None:
        """Replace old files for the versions that name them, and delete them."""
        old = list(files)
        wanted = [each.path for each in old if each.since is not None]
        if wanted:
            made = {path: self._copy(path, names) for path in wanted}
            write_replacements(self._storage, self._name, erasure, made)
        for each in old:
            self._storage.filesystem.delete_file(self._path(each.path))

    def _copy(self, path: str, names: Sequence[Names]) -> Replacement | None:
        """Write a file's other rows to a new file beside it; None where there are no others."""
        folder, slash, name = path.rpartition("/")
        target = f"{folder}{slash}{name[:11]}{uuid.uuid4().hex}.zstd.parquet"
        filesystem, rows, writer = self._storage.filesystem, 0, None
        with filesystem.open_output_stream(self._path(target)) as sink:
            for batch in self._batches(path, None):
                kept = without(self._name, batch, names)
                if kept.num_rows:
                    writer = writer or pq.ParquetWriter(sink, kept.schema, compression="zstd", store_schema=False)
                    writer.write_batch(kept)
                    rows += kept.num_rows
            if writer is not None:
                writer.close()
            size = sink.tell()
        if not rows:
            filesystem.delete_file(self._path(target))
            return None
        return Replacement(target, size)

    def _files(self) -> list[str]:
        """Return every Parquet file below the table, also those that no version names."""
        base = self._path()
        infos = self._storage.filesystem.get_file_info(pafs.FileSelector(base, allow_not_found=True, recursive=True))
        paths = sorted(info.path.removeprefix(base).lstrip("/") for info in infos if info.is_file)
        return [path for path in paths if path.endswith(".parquet") and not path.startswith("_")]

    def _count(self, path: str, names: Sequence[Names]) -> int:
        columns = {"raw", "corrected"} if self._name.startswith(QUARANTINE) else {c for n in names for c in n.columns}
        found = 0
        for batch in self._batches(path, sorted(columns), some=True):
            found += batch.num_rows - without(self._name, batch, names).num_rows
        return found

    def _batches(self, path: str, columns: Sequence[str] | None, *, some: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield a file's batches; none where it lacks a column (with ``some``: all of them), or is gone or torn."""
        try:
            with self._storage.filesystem.open_input_file(self._path(path)) as source:
                file = pq.ParquetFile(source)
                there = set(file.schema_arrow.names)
                wanted = [name for name in columns if name in there] if columns is not None else None
                if columns is not None and (not wanted or (len(wanted) < len(columns) and not some)):
                    return
                yield from file.iter_batches(_ROWS, columns=wanted)
        except FileNotFoundError:
            return  # a writer that lost took it away
        except pa.ArrowInvalid:
            return  # half a file of a killed writer: nobody can read it, so no version names it

    def _path(self, path: str = "") -> str:
        return self._storage.path(self._name, path)


def without_late(snapshots: Snapshots, suppressions: Suppressions, interval: Interval, commit: Commit) -> Commit:
    """Take out of a new table who was erased while there was no table yet to stop writers at."""
    names = suppressions.of_table(commit.table)
    if not names:
        return commit
    Removal(snapshots, suppressions).remove(names, erasure="while-it-was-made", run=Run.local())
    version = snapshots.at(None).completeness.live.get(interval, commit.version)
    entry = snapshots.log.entry(version)
    return (Commit.from_log(commit.table, version, entry.info) if entry else None) or commit


class _Counted:
    """Batches without a subject's rows, and how many rows that left out."""

    def __init__(self, batches: Iterable[pa.RecordBatch], table: str, names: Sequence[Names]) -> None:
        self._batches, self._table, self._names = batches, table, names
        self.dropped = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            kept = without(self._table, batch, self._names)
            self.dropped += batch.num_rows - kept.num_rows
            yield kept


def _start_of(path: str, known: datetime | None) -> datetime | None:
    """Return the start of the interval that a file is of, told by its folder (see ``files.Staging``)."""
    if known is not None:
        return utc(known)
    _, _, value = path.partition("/")[0].partition(f"{INTERVAL_COLUMN}=")
    try:
        return utc(datetime.strptime(value, "%Y%m%dT%H%M%S.%fZ"))
    except ValueError:
        return None  # compaction names folders in its own way


def _versions(file: HeldFile, newest: int) -> range:
    return range(0) if file.since is None else range(file.since, newest + 1 if file.until is None else file.until)
