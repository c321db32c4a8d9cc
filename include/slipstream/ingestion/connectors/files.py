"""The files connector: CSV, JSON Lines and Parquet, plain or gzipped, in a folder or a bucket."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from slipstream.definitions import Source
from slipstream.definitions.problem import nearest
from slipstream.definitions.source import FilesConnector
from slipstream.errors import BatchNotReadyError, BatchRejectedError
from slipstream.ingestion.casting import check_types
from slipstream.ingestion.connectors.chunk import Chunk
from slipstream.ingestion.connectors.delimited import Delimited
from slipstream.ingestion.connectors.header import check_columns
from slipstream.ingestion.connectors.json_lines import JsonLines
from slipstream.ingestion.connectors.landing import LandedFile, Landing
from slipstream.intervals import Interval
from slipstream.settings import Settings

_GZIP = b"\x1f\x8b"
READ_AHEAD = 2**20


class FilesBatch:
    """The rows of every file of an interval."""

    def __init__(self, source: Source, connector: FilesConnector, interval: Interval, settings: Settings) -> None:
        self._source, self._connector, self._interval, self._settings = source, connector, interval, settings
        self._landing = Landing(connector, settings)
        self._files = self._landing.find(interval)
        problem = not_ready(self._files, self._landing, connector, interval)
        if problem:
            raise BatchNotReadyError(problem)
        self.files = tuple(file.name for file in self._files)
        self._ignored: dict[str, None] = {}
        self._seen: set[str] = set()

    @property
    def ignored(self) -> tuple[str, ...]:
        return tuple(self._ignored)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, file by file.

        Raises:
            BatchRejectedError: A file is empty, damaged, or has other columns or types than the source.
            ServiceError: The landing place does not answer.
        """
        for file in self._files:
            if file.size == 0:
                message = (
                    f"{file.name} is empty: it has no byte. Where there are no rows, send the header alone (CSV) or a "
                    "line break (JSON Lines); where its writer was still busy, set connector.settle."
                )
                raise BatchRejectedError(message)
            with self._landing.open(file):
                yield from self._parquet(file) if self._connector.format == "parquet" else self._text(file)
        if self._connector.format == "jsonl":
            self._refuse_renamed()

    def confirm(self) -> None:
        """Raise BatchNotReadyError where a file changed, came or went since the batch was opened."""
        self._landing.confirm(self._files, self._interval)

    def _text(self, file: LandedFile) -> Iterator[Chunk]:
        limit = self._settings.max_line_bytes
        with self._stream(file) as stream, _whole(file):
            reader: Delimited | JsonLines
            if self._connector.format == "csv":
                delimiter = self._connector.delimiter
                reader = Delimited(stream, file=file.name, source=self._source, delimiter=delimiter, limit=limit)
            else:
                reader = JsonLines(stream, file=file.name, source=self._source, limit=limit)
            yield from reader.chunks()
            self._ignored |= dict.fromkeys(reader.ignored)
            self._seen |= reader.seen

    def _refuse_renamed(self) -> None:
        """Raise BatchRejectedError where no object has a key, but some have one of nearly its name."""
        absent = [name for name in self._source.columns if name not in self._seen]
        renamed = [f"{name} (perhaps now {close})" for name in absent if (close := nearest(name, self._ignored))]
        if renamed:
            message = (
                f"{', '.join(self.files)}: no object has the key {', '.join(renamed)}. "
                "Rename it in source.yaml, or have it sent under its old name."
            )
            raise BatchRejectedError(message)

    @contextmanager
    def _stream(self, file: LandedFile) -> Iterator[IO[bytes]]:
        with self._landing.filesystem.open_input_stream(file.path, compression=None, buffer_size=READ_AHEAD) as raw:
            buffered: Any = io.BufferedReader(raw, READ_AHEAD)
            zipped = buffered.peek(2)[:2] == _GZIP
            if file.name.endswith(".gz") and not zipped:
                message = f"{file.name} is called .gz but is not gzipped. Have it sent gzipped, or under another name."
                raise BatchRejectedError(message)
            unzipped: Any = gzip.GzipFile(fileobj=buffered) if zipped else buffered
            yield unzipped

    def _parquet(self, file: LandedFile) -> Iterator[Chunk]:
        try:
            with self._landing.filesystem.open_input_file(file.path) as raw:
                reader = pq.ParquetFile(raw)
                self._ignored |= dict.fromkeys(check_columns(reader.schema_arrow.names, self._source, file=file.name))
                check_types(reader.schema_arrow, self._source, place=file.name, text=False)
                row = 1
                for batch in reader.iter_batches(batch_size=self._settings.chunk_rows):
                    lines = pa.array(range(row, row + batch.num_rows), pa.int64())
                    yield Chunk(file.name, lines, pa.Table.from_batches([batch]))
                    row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, FileNotFoundError) or "AWS Error" in str(error):
                raise
            message = f"{file.name} cannot be read as Parquet: {error}. It is damaged or cut off; have it sent again."
            raise BatchRejectedError(message) from error


@contextmanager
def _whole(file: LandedFile) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{file.name} is damaged or cut off: {error}. Nothing of it was kept; have it sent again."
        raise BatchRejectedError(message) from error


def not_ready(
    files: tuple[LandedFile, ...], landing: Landing, connector: FilesConnector, interval: Interval
) -> str | None:
    """Say why the files are no batch yet; None where they are one."""
    if not files:
        return f"No file {landing.pattern(interval)} is under {landing.root} yet."
    settle = connector.settle.total_seconds()
    fresh = [file for file in files if file.age() < settle]
    if fresh:
        names = ", ".join(f"{file.name} ({file.age():.0f} s ago)" for file in fresh)
        return f"Changed less than {settle:.0f} s ago (connector.settle): {names}."
    return None
