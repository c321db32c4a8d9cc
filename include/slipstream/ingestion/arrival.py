"""Is a batch there?"""

from __future__ import annotations

from slipstream.definitions import Source
from slipstream.definitions.source import FilesConnector
from slipstream.ingestion.batch import Arrival
from slipstream.intervals import Interval
from slipstream.settings import Settings


def look_for_batch(source: Source, interval: Interval, *, settings: Settings) -> Arrival:
    """Say whether the batch of an interval has arrived; cheap enough to be asked every few seconds.

    Files have arrived where at least one is there and none has changed within ``connector.settle``. A database or a
    callable is asked when the batch is loaded, so its batches count as there.

    Raises:
        ServiceError: The landing place did not answer.
    """
    connector = source.connector
    if not isinstance(connector, FilesConnector):
        return Arrival(True, f"A {connector.type} source is asked when it is loaded.")
    from slipstream.ingestion.connectors.files import not_ready
    from slipstream.ingestion.connectors.landing import Landing

    landing = Landing(connector, settings)
    files = landing.find(interval)
    problem = not_ready(files, landing, connector, interval)
    names = tuple(file.name for file in files)
    return Arrival(problem is None, problem or f"{len(files)} file(s) under {landing.root}.", names)
