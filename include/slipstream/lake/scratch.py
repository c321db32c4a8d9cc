"""Rows on their way from one task to the next, where every worker can reach them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from slipstream.errors import FatalError
from slipstream.lake.storage import Storage

if TYPE_CHECKING:
    from slipstream.settings import Settings


FOLDERS = ("ingestion", "promotion", "scoring", "training")
"""What lies under the staging root is ours in these alone; its owner may keep other things beside them."""


class Scratch:
    """Parquet files under the staging root, each written whole or not at all; writing one again replaces it."""

    def __init__(self, settings: Settings) -> None:
        self._storage = Storage(settings.staging, settings.storage_options())

    def write(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write ``batches`` as ``name`` and return how many rows they had; holds one batch at a time."""
        filesystem, path = self._storage.filesystem, self._storage.path(name)
        self._storage.make_folder(path.rpartition("/")[0])
        # On an object store a file appears when it is closed; in a folder, when it is renamed.
        target = f"{path}.{uuid.uuid4().hex}" if self._storage.is_local else path
        rows = 0
        with pq.ParquetWriter(target, schema, filesystem=filesystem, compression="lz4") as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
        if target != path:
            filesystem.move(target, path)
        return rows

    def read(self, name: str) -> pa.Table:
        """Return all rows of ``name``."""
        return pq.read_table(self._existing(name), filesystem=self._storage.filesystem, partitioning=None)

    def batches(self, name: str, rows: int = 65_536) -> pa.RecordBatchReader:
        """Read ``name`` batch by batch."""
        file = pq.ParquetFile(self._existing(name), filesystem=self._storage.filesystem)
        return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(rows))

    def remove(self, name: str) -> None:
        """Remove ``name``, or everything below it; nothing happens where there is nothing."""
        import pyarrow.fs as pafs

        filesystem, path = self._storage.filesystem, self._storage.path(name)
        kind = filesystem.get_file_info(path).type
        if kind == pafs.FileType.File:
            filesystem.delete_file(path)
        elif kind == pafs.FileType.Directory:
            filesystem.delete_dir(path)

    def sweep(self, *, older_than: timedelta) -> int:
        """Delete what nobody touched for ``older_than``, a folder at a time; return how many files that were.

        A task that is tried again finds the rows of the task before, so leave it longer than any task is retried.
        """
        import pyarrow.fs as pafs

        filesystem, limit = self._storage.filesystem, datetime.now(UTC) - older_than
        selectors = [
            pafs.FileSelector(self._storage.path(name), allow_not_found=True, recursive=True) for name in FOLDERS
        ]
        files = [info for each in selectors for info in filesystem.get_file_info(each) if info.is_file]
        newest: dict[str, datetime] = {}
        for info in files:
            folder = info.path.rpartition("/")[0]
            newest[folder] = max(newest.get(folder, info.mtime), info.mtime)
        old = [info.path for info in files if newest[info.path.rpartition("/")[0]] < limit]
        for path in old:
            filesystem.delete_file(path)
        if self._storage.is_local:
            for folder in sorted({path.rpartition("/")[0] for path in old}, reverse=True):
                with suppress(OSError):
                    Path(folder).rmdir()
        return len(old)

    def files(self) -> list[str]:
        """Return the Parquet files that lie there, as names for ``batches`` and ``remove``."""
        import pyarrow.fs as pafs

        filesystem, base = self._storage.filesystem, self._storage.path()
        selectors = [
            pafs.FileSelector(self._storage.path(name), allow_not_found=True, recursive=True) for name in FOLDERS
        ]
        paths = [info.path for each in selectors for info in filesystem.get_file_info(each) if info.is_file]
        return sorted(path.removeprefix(base).lstrip("/") for path in paths if ".parquet" in path)

    def exists(self, name: str) -> bool:
        import pyarrow.fs as pafs

        kind = self._storage.filesystem.get_file_info(self._storage.path(name)).type
        return bool(kind == pafs.FileType.File)

    def _existing(self, name: str) -> str:
        if not self.exists(name):
            message = (
                f"The rows that the task before left at {self._storage.uri(name)} are gone. Clear that task as well, "
                "so that it makes them again."
            )
            raise FatalError(message)
        return self._storage.path(name)
