"""One version of a table: its schema, files and intervals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from slipstream.errors import NotFoundError, ServiceError
from slipstream.lake.completeness import Completeness
from slipstream.lake.digest import INTERVAL_COLUMN
from slipstream.lake.log import Log
from slipstream.lake.storage import Storage


class Snapshot:
    """A table as it was at one version. Nothing that others write changes it."""

    def __init__(self, name: str, storage: Storage, delta: DeltaTable, log: Log) -> None:
        self.name = name
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
    def files(self) -> list[dict[str, Any]]:
        """Each file: path, size_bytes, num_records, min, max, null_count, and interval_start where there is one."""
        actions = pa.table(self.delta.get_add_actions())
        kept = ["path", "size_bytes", "num_records", "min", "max", "null_count"]
        files: list[dict[str, Any]] = actions.select(
            [name for name in kept if name in actions.column_names]
        ).to_pylist()
        if self.by_interval and actions.num_rows:
            partition = actions.column("partition")
            starts = pc.struct_field(partition, INTERVAL_COLUMN).to_pylist()
            for file, start in zip(files, starts, strict=True):
                file[INTERVAL_COLUMN] = start
        return files

    def dataset(self, start: datetime | None = None, end: datetime | None = None) -> pads.Dataset:
        """Return the files of intervals that start in ``[start, end)``, with what is known of their values."""
        schema = self.schema
        layout = pads.ParquetFileFormat(default_fragment_scan_options=pads.ParquetFragmentScanOptions(pre_buffer=True))
        folder = pafs.SubTreeFileSystem(self._storage.path(self.name), self._storage.filesystem)
        fragments = [
            layout.make_fragment(
                file["path"], folder, partition_expression=_guarantee(file, schema), file_size=file["size_bytes"]
            )
            for file in self.files
            if _within(file.get(INTERVAL_COLUMN), start, end)
        ]
        return pads.FileSystemDataset(fragments, schema, layout, folder)


def _within(moment: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    if moment is None:
        return True
    return (start is None or moment >= start) and (end is None or moment < end)


def _guarantee(file: dict[str, Any], schema: pa.Schema) -> pc.Expression:
    """Return what holds for every row of a file, so that a filter need not open it."""
    holds = pc.scalar(True)
    if INTERVAL_COLUMN in schema.names:
        holds = pc.field(INTERVAL_COLUMN) == pa.scalar(file[INTERVAL_COLUMN], schema.field(INTERVAL_COLUMN).type)
    lows, highs, nulls = (file.get(part) or {} for part in ("min", "max", "null_count"))
    for field in schema:
        low, high, empty = lows.get(field.name), highs.get(field.name), nulls.get(field.name)
        exact = pa.types.is_timestamp(field.type) or pa.types.is_integer(field.type)
        if exact and low is not None and high is not None and empty is not None:
            column = pc.field(field.name)
            inside = (column >= pa.scalar(low, field.type)) & (column <= pa.scalar(high, field.type))
            holds = holds & (inside if empty == 0 else inside | column.is_null())
    return holds


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
        return self._snapshot(delta)

    @property
    def _uri(self) -> str:
        return self.storage.uri(self.name)

    def _empty_log(self) -> Log:
        return Log(self.storage, self.storage.path(self.name))

    def _snapshot(self, delta: DeltaTable) -> Snapshot:
        identity = str(delta.metadata().id)
        if self._identity != identity:  # a table made anew under the same name has another history
            self._identity, self.log = identity, self._empty_log()
        return Snapshot(self.name, self.storage, delta, self.log)


@contextmanager
def _store_errors(name: str) -> Iterator[None]:
    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError) as error:
        message = f"Table {name!r} could not be opened: {error}. Look whether its store answers, then try again."
        raise ServiceError(message) from error
