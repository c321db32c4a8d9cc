"""Writing the rows of one commit to Parquet files that nobody sees until a commit names them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from slipstream.intervals import Interval
from slipstream.lake.digest import INTERVAL_COLUMN
from slipstream.lake.storage import Storage

GROUP_ROWS = 131_072  # of a row group
GROUP_BYTES = 64 * 2**20  # held in memory before a row group is written
FILE_BYTES = 256 * 2**20  # compressed; then another file begins
LONG_TEXT = 64  # characters; longer smallest and largest values are not recorded


def partition_value(start: datetime) -> str:
    """Return the value of the partition column as Delta's log writes it."""
    return f"{start:%Y-%m-%dT%H:%M:%S.%f}Z"


class Staging:
    """The files of one write.

    Args:
        table: The table's path on the storage's filesystem.
        schema: What the rows look like in the lake, without the partition column.
        interval: What the rows are written for; None for a table without intervals.
    """

    def __init__(self, storage: Storage, table: str, *, schema: pa.Schema, interval: Interval | None) -> None:
        self._storage = storage
        self._table = table
        self._schema = schema
        # A colon or blank in a name would be escaped once more in the log, and differently by different readers.
        self._folder = f"{INTERVAL_COLUMN}={interval.start:%Y%m%dT%H%M%S.%f}Z/" if interval else ""
        self._partition: dict[str, str | None] = {INTERVAL_COLUMN: partition_value(interval.start)} if interval else {}
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._open_file: _ParquetFile | None = None
        self._names: list[str] = []
        self.files: list[AddAction] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows; they are held until they fill a row group."""
        if batch.num_rows == 0:
            return
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        self._pending_bytes += batch.nbytes
        if self._pending_rows >= GROUP_ROWS or self._pending_bytes >= GROUP_BYTES:
            self._flush()

    def finish(self) -> list[AddAction]:
        """Write what is held and return the files, as Delta adds them."""
        self._flush()
        self._close()
        return self.files

    def discard(self) -> None:
        """Remove the files again; one that stays behind is found by maintenance."""
        with suppress(Exception):
            self._close()
        for name in self._names:
            with suppress(OSError):
                self._storage.filesystem.delete_file(f"{self._table}/{name}")

    def _flush(self) -> None:
        if not self._pending:
            return
        rows = pa.Table.from_batches(self._pending, schema=self._schema)
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        file = self._open_file or self._open()
        file.writer.write_table(rows, row_group_size=GROUP_ROWS)
        if file.sink.tell() >= FILE_BYTES:
            self._close()

    def _open(self) -> _ParquetFile:
        self._storage.make_folder(f"{self._table}/{self._folder}")
        # Numbered, since readers take the files of an interval by name: sums of floats depend on the order of rows.
        name = f"{self._folder}part-{len(self._names):05d}-{uuid.uuid4().hex}.zstd.parquet"
        self._names.append(name)
        sink = self._storage.filesystem.open_output_stream(f"{self._table}/{name}")
        self._open_file = _ParquetFile(name, sink, self._schema)
        return self._open_file

    def _close(self) -> None:
        file, self._open_file = self._open_file, None
        if file is not None:
            self.files.append(file.close(self._partition))


class _ParquetFile:
    """One file while it is being written."""

    def __init__(self, name: str, sink: pa.NativeFile, schema: pa.Schema) -> None:
        self.name = name
        self.sink = sink
        self._metadata: list[pq.FileMetaData] = []
        self.writer = pq.ParquetWriter(
            sink, schema, compression="zstd", metadata_collector=self._metadata, store_schema=False
        )

    def close(self, partition: dict[str, str | None]) -> AddAction:
        try:
            self.writer.close()
            size = self.sink.tell()
        finally:
            self.sink.close()
        return AddAction(
            path=self.name,
            size=size,
            partition_values=partition,
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=json.dumps(statistics(self._metadata[0])),
        )


def statistics(metadata: pq.FileMetaData) -> dict[str, Any]:
    """Return a file's statistics as Delta keeps them: rows, and for flat columns nulls, smallest and largest value."""
    found: dict[str, Any] = {"numRecords": metadata.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    for name, chunks in _columns(metadata):
        if not all(chunk is not None and chunk.has_null_count for chunk in chunks):
            continue
        found["nullCount"][name] = sum(chunk.null_count for chunk in chunks)
        filled = [chunk for chunk in chunks if chunk.num_values]
        if not filled or not all(chunk.has_min_max for chunk in filled):
            continue
        low, high = _plain(min(chunk.min for chunk in filled)), _plain(max(chunk.max for chunk in filled))
        if low is not None and high is not None:
            found["minValues"][name], found["maxValues"][name] = low, high
    return found


def _columns(metadata: pq.FileMetaData) -> Iterator[tuple[str, list[Any]]]:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    for index in range(metadata.num_columns):
        column = metadata.schema.column(index)
        if column.path == column.name and column.max_repetition_level == 0:
            yield column.name, [group.column(index).statistics for group in groups]


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it; None where it cannot be told exactly."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}" + ("Z" if value.tzinfo else "") if value.year >= 1000 else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value if len(value) <= LONG_TEXT else None
    if isinstance(value, float):
        return value if value - value == 0 else None  # neither NaN nor infinite
    return value if isinstance(value, int) and not isinstance(value, bool) else None
