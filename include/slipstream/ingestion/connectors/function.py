"""The python connector: a callable in the source's folder that returns Arrow rows for an interval."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from slipstream.definitions import Source
from slipstream.definitions.source import PythonConnector
from slipstream.errors import BatchRejectedError, DefinitionError
from slipstream.ingestion.casting import check_types
from slipstream.ingestion.connectors.chunk import Chunk
from slipstream.ingestion.connectors.header import check_columns
from slipstream.intervals import Interval
from slipstream.settings import Settings


def load_callable(source: Source, connector: PythonConnector) -> Any:
    """Return the callable that ``connector`` names, read afresh from the source's folder.

    Raises:
        DefinitionError: The file is not in the folder, does not import, or has no such callable.
    """
    module_name, _, name = connector.callable.partition(":")
    folder = source.folder.resolve()
    path = (folder / f"{module_name}.py").resolve()
    if not path.is_file() or not path.is_relative_to(folder):
        message = f"Source {source.name!r} wants {module_name}.py in its folder {folder}; there is none."
        raise DefinitionError(message)
    unique = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"slipstream_source_{source.name}_{unique}", path)
    if spec is None or spec.loader is None:
        message = f"Source {source.name!r}: {path.name} is no Python module."
        raise DefinitionError(message)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        message = f"Source {source.name!r}: {path.name} does not import: {type(error).__name__}: {error}."
        raise DefinitionError(message) from error
    found = getattr(module, name, None)
    if not callable(found):
        message = (
            f"Source {source.name!r}: {path.name} has no function {name!r}. Write `def {name}(interval, settings)`."
        )
        raise DefinitionError(message)
    return found


class FunctionBatch:
    """The rows that a callable gives for an interval; what it raises goes through as it is."""

    files: tuple[str, ...] = ()

    def __init__(self, source: Source, connector: PythonConnector, interval: Interval, settings: Settings) -> None:
        self._source, self._interval, self._settings = source, interval, settings
        self._read = load_callable(source, connector)
        self._place = f"{connector.callable} of source {source.name!r}"
        self.ignored: tuple[str, ...] = ()

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows; BatchRejectedError where they are not Arrow, or not of the declared columns and types."""
        rows = self._read(self._interval, self._settings)
        if not isinstance(rows, pa.Table | pa.RecordBatchReader | pa.RecordBatch):
            message = f"{self._place} returned {type(rows).__name__}; wanted a pyarrow Table or RecordBatchReader."
            raise BatchRejectedError(message)
        self.ignored = check_columns(rows.schema.names, self._source, file=self._place)
        check_types(rows.schema, self._source, place=self._place, text=True)
        batches = [rows] if isinstance(rows, pa.RecordBatch) else rows
        for batch in batches.to_batches() if isinstance(batches, pa.Table) else batches:
            yield Chunk(None, pa.nulls(batch.num_rows, pa.int64()), pa.Table.from_batches([batch]))

    def confirm(self) -> None:
        """What a callable returned does not change."""
