"""One version of a table: its schema, files and intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from slipstream.errors import NotFoundError, ServiceError
from slipstream.intervals import Interval, utc
from slipstream.lake.completeness import Completeness
from slipstream.lake.digest import INTERVAL_COLUMN
from slipstream.lake.log import Log
from slipstream.lake.replacements import Replacement, read_replacements, stands_in
from slipstream.lake.schemas import UTC_TIME
from slipstream.lake.storage import Storage

if TYPE_CHECKING:
    import pyarrow.dataset as pads  # brings pandas, so it is imported where it is used


NONE: Mapping[str, Replacement | None] = MappingProxyType({})


class Snapshot:
    """A table as it was at one version. Nothing that others write changes it."""

    def __init__(
        self, name: str, storage: Storage, delta: DeltaTable, log: Log, replaced: Mapping[str, Replacement | None]
    ) -> None:
        self.name = name
        self._replaced = replaced
        self.delta = delta
        self.version: int = delta.version()
        self._storage = storage
        self._log = log

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema(self.delta.schema().to_arrow())

    @property
    def by_interval(self) -> bool:
        return INTERVAL_COLUMN in self.schema.names

    @property
    def row_schema(self) -> pa.Schema:
        """The schema without the partition column, as callers write it."""
        return pa.schema([field for field in self.schema if field.name != INTERVAL_COLUMN])

    @cached_property
    def completeness(self) -> Completeness:
        return Completeness(self._log.transactions(self.version))

    @cached_property
    def _actions(self) -> pa.Table:
        return pa.table(self.delta.get_add_actions())

    @property
    def paths(self) -> list[str]:
        """The table's files, relative to its folder; for one that held an erased subject, what stands in for it."""
        return [path for path, _ in map(self._file, _paths(self._actions)) if path is not None]

    def _file(self, path: str) -> tuple[str | None, int | None]:
        """Return path and size of what stands in for a file; the path alone where it stands for itself."""
        return stands_in(path, self._replaced)

    @cached_property
    def starts(self) -> list[datetime]:
        """The start of each file's interval, in the order of ``paths``; empty for a table without intervals."""
        if not self.by_interval or not self._actions.num_rows:
            return []
        starts: list[datetime] = pc.struct_field(self._actions.column("partition"), INTERVAL_COLUMN).to_pylist()
        return starts

    def counts(self) -> dict[Interval, int]:
        """Return the rows of each complete interval, as the log counts them: no file of rows is opened."""
        found = dict.fromkeys((interval.start for interval in self.completeness.live), 0)
        for start, rows in zip(self.starts, self._actions.column("num_records").to_pylist(), strict=True):
            found[utc(start)] = found.get(utc(start), 0) + (rows or 0)
        return {interval: found[interval.start] for interval in self.completeness.live}

    def dataset(self, start: datetime | None = None, end: datetime | None = None) -> pads.Dataset:
        """Return the files of intervals that start in ``[start, end)``, with what is known of their times."""
        import pyarrow.dataset as pads

        # Reading ahead saves round trips to an object store, but holds a whole file's columns in memory.
        ahead = pads.ParquetFragmentScanOptions(pre_buffer=not self._storage.is_local)
        layout = pads.ParquetFileFormat(default_fragment_scan_options=ahead)
        folder = pafs.SubTreeFileSystem(self._storage.path(self.name), self._storage.filesystem)
        actions, starts = self._actions, self.starts
        if starts:
            kept = [index for index, at in enumerate(starts) if _within(at, start, end)]
            actions, starts = actions.take(pa.array(kept, pa.int64())), [starts[index] for index in kept]
        sizes, holds = actions.column("size_bytes").to_pylist(), self._guarantees(actions, starts)
        fragments = [
            layout.make_fragment(path, folder, partition_expression=holding, file_size=other or size)
            for (path, other), size, holding in zip(map(self._file, _paths(actions)), sizes, holds, strict=True)
            if path is not None
        ]
        return pads.FileSystemDataset(fragments, self.schema, layout, folder)

    def _guarantees(self, actions: pa.Table, starts: list[datetime]) -> list[pc.Expression]:
        """Return what holds for all rows of each file, so that a filter on a time need not open the others."""
        found = [pc.scalar(True)] * actions.num_rows
        if starts:
            found = [pc.field(INTERVAL_COLUMN) == pa.scalar(at, UTC_TIME) for at in starts]
        if not {"min", "max", "null_count"} <= set(actions.column_names):
            return found
        recorded = {field.name for field in actions.schema.field("min").type}
        for field in self.schema:
            if pa.types.is_timestamp(field.type) and field.name in recorded:
                parts = [
                    pc.struct_field(actions.column(part), field.name).to_pylist()
                    for part in ("min", "max", "null_count")
                ]
                for index, (low, high, nulls) in enumerate(zip(*parts, strict=True)):
                    if low is not None and high is not None and nulls is not None:
                        found[index] = found[index] & _between(field, low, high, nulls)
        return found


def _paths(actions: pa.Table) -> list[str]:
    """Return where files lie; the log spells paths as URLs do, and compaction makes ones that it has to escape."""
    return [unquote(path) for path in actions.column("path").to_pylist()]


def _within(moment: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or moment >= start) and (end is None or moment < end)


def _between(field: pa.Field, low: datetime, high: datetime, nulls: int) -> pc.Expression:
    column = pc.field(field.name)
    inside = (column >= pa.scalar(low, field.type)) & (column <= pa.scalar(high, field.type))
    return inside if nulls == 0 else inside | column.is_null()


class Snapshots:
    """Opens the versions of one table."""

    def __init__(self, name: str, storage: Storage) -> None:
        self.name = name
        self.storage = storage
        self.log = self._empty_log()
        self._identity = ""

    def newest(self) -> Snapshot | None:
        """Return the table as it is now; None where it does not exist.

        Raises:
            ServiceError: The store did not answer.
        """
        with _store_errors(self.name):
            try:
                return self._snapshot(DeltaTable(self._uri, storage_options=self.storage.delta_options))
            except TableNotFoundError:
                self._identity = ""
                return None

    def after(self, snapshot: Snapshot | None) -> Snapshot | None:
        """Return the table as it is now, reading only what came after ``snapshot``, which must not be used any more."""
        if snapshot is None:
            return self.newest()
        with _store_errors(self.name):
            snapshot.delta.update_incremental()
        return self._snapshot(snapshot.delta)

    def at(self, version: int | None) -> Snapshot:
        """Return the table as it was at ``version``, or is now.

        Raises:
            NotFoundError: The table or that version of it does not exist.
        """
        newest = self.newest()
        if newest is None:
            message = (
                f"Wanted table {self.name!r}; found none under {self.storage.root}. "
                "Run the stage that writes it, or look at the name: `slipstream lake log`."
            )
            raise NotFoundError(message)
        if version is None or version == newest.version:
            return newest
        if not 0 <= version < newest.version:
            message = f"Wanted version {version} of table {self.name!r}; found versions 0 to {newest.version}."
            raise NotFoundError(message)
        with _store_errors(self.name):
            delta = DeltaTable(self._uri, version=version, storage_options=self.storage.delta_options)
            return self._snapshot(delta, read_replacements(self.storage, self.name))

    @property
    def _uri(self) -> str:
        return self.storage.uri(self.name)

    def _empty_log(self) -> Log:
        return Log(self.storage, self.storage.path(self.name))

    def _snapshot(self, delta: DeltaTable, replaced: Mapping[str, Replacement | None] = NONE) -> Snapshot:
        identity = str(delta.metadata().id)
        if self._identity != identity:  # a table made anew under the same name has another history
            self._identity, self.log = identity, self._empty_log()
        return Snapshot(self.name, self.storage, delta, self.log, replaced)


@contextmanager
def _store_errors(name: str) -> Iterator[None]:
    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError) as error:
        message = f"Table {name!r} could not be opened: {error}. Look whether its store answers, then try again."
        raise ServiceError(message) from error
