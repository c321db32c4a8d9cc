"""Where a batch waits between two tasks: Parquet parts under ``settings.staging``, seen by no reader of the lake."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from slipstream.errors import IncompleteError, ServiceError
from slipstream.intervals import Interval
from slipstream.lake import Run
from slipstream.lake.storage import Storage
from slipstream.settings import Settings

FOLDER = "ingestion"


class Staging:
    """The folder of one try of one batch."""

    def __init__(self, place: str, settings: Settings) -> None:
        self.place = place
        self._storage = Storage(settings.staging, settings.storage_options())

    @classmethod
    def of(cls, source: str, interval: Interval, run: Run, settings: Settings) -> Staging:
        """Return the folder that belongs to a source's interval and one try of one run; it need not exist.

        Outside Airflow nothing names a run for good, so each call gives a folder of its own.
        """
        chance = uuid.uuid4().hex if run.dag_id == Run.local().dag_id else ""
        identity = json.dumps([run.dag_id, run.run_id, run.try_number, str(interval), chance])
        unique = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return cls(f"{FOLDER}/{source}/{interval.start:%Y%m%dT%H%M%SZ}-{unique}", settings)

    def write(self, name: str, rows: pa.Table) -> None:
        with self._answering():
            self._storage.make_folder(self._path())
            pq.write_table(rows, self._path(f"{name}.parquet"), filesystem=self._filesystem, compression="lz4")

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a part; IncompleteError where it is not there."""
        with self._answering(), self._filesystem.open_input_file(self._path(f"{name}.parquet")) as file:
            return pq.read_table(file, columns=None if columns is None else list(columns), use_threads=False)

    def rows(self, name: str) -> int:
        with self._answering(), self._filesystem.open_input_file(self._path(f"{name}.parquet")) as file:
            return int(pq.read_metadata(file).num_rows)

    def parts(self, prefix: str) -> list[str]:
        """Return the names of the parts that begin with ``prefix-``, in order."""
        found = [info.base_name for info in self._infos() if info.base_name.startswith(f"{prefix}-")]
        return sorted(name.removesuffix(".parquet") for name in found if name.endswith(".parquet"))

    def write_note(self, name: str, note: dict[str, Any]) -> None:
        with self._answering():
            self._storage.make_folder(self._path())
            with self._filesystem.open_output_stream(self._path(f"{name}.json")) as file:
                file.write(json.dumps(note).encode())

    def read_note(self, name: str) -> dict[str, Any] | None:
        """Return a note; None where it was not written."""
        with self._answering():
            try:
                with self._filesystem.open_input_stream(self._path(f"{name}.json")) as file:
                    note: dict[str, Any] = json.loads(file.read())
            except FileNotFoundError:
                return None
            return note

    def require(self, note: str) -> None:
        """Raise IncompleteError where a note is not there: the batch was swept away, or never came so far."""
        if self.read_note(note) is None:
            message = f"The staged batch {self.place} is not there any more, or not {note} yet. Run load_batch again."
            raise IncompleteError(message)

    def clear(self, *, keep: str = "", prefix: str = "") -> None:
        """Delete the parts and notes, all but the one named ``keep``; with ``prefix``, only those that begin so."""
        with self._answering():
            for info in self._infos():
                if info.base_name != keep and info.base_name.startswith(prefix):
                    self._filesystem.delete_file(info.path)

    def remove(self) -> None:
        """Delete the folder; that there is none is fine."""
        with self._answering():
            info = self._filesystem.get_file_info(self._path())
            if info.type == pafs.FileType.Directory:
                self._filesystem.delete_dir(self._path())

    def _infos(self) -> list[pafs.FileInfo]:
        with self._answering():
            selector = pafs.FileSelector(self._path(), allow_not_found=True)
            return [info for info in self._filesystem.get_file_info(selector) if info.is_file]

    @property
    def _filesystem(self) -> pafs.FileSystem:
        return self._storage.filesystem

    def _path(self, name: str = "") -> str:
        return self._storage.path(self.place, name)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            message = f"The staged batch {self.place} is not there any more: {error}. Run load_batch again."
            raise IncompleteError(message) from error
        except OSError as error:
            message = f"The staging place {self._storage.root} did not answer as it should: {error}. Try again later."
            raise ServiceError(message) from error
