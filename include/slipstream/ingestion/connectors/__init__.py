"""Where batches come from: files, a database, or a callable."""

from __future__ import annotations

from slipstream.definitions import Source
from slipstream.definitions.source import FilesConnector, PythonConnector
from slipstream.ingestion.connectors.chunk import Batch, Chunk, Reject
from slipstream.intervals import Interval
from slipstream.settings import Settings

__all__ = ["Batch", "Chunk", "Reject", "open_batch"]


def open_batch(source: Source, interval: Interval, settings: Settings) -> Batch:
    """Return the batch of a source's interval, ready to be read.

    Raises:
        BatchNotReadyError: It has not arrived.
        DefinitionError: Its connector cannot be used as it is written.
    """
    connector = source.connector
    if isinstance(connector, FilesConnector):
        from slipstream.ingestion.connectors.files import FilesBatch

        return FilesBatch(source, connector, interval, settings)
    if isinstance(connector, PythonConnector):
        from slipstream.ingestion.connectors.function import FunctionBatch

        return FunctionBatch(source, connector, interval, settings)
    from slipstream.ingestion.connectors.sql import SqlBatch

    return SqlBatch(source, connector, interval, settings)
