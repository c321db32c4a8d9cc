"""All of ingestion in a row, for a notebook, a test or a laptop; the DAG runs the same steps as tasks."""

from __future__ import annotations

from slipstream.definitions import Source
from slipstream.ingestion.batch import PublishedBatch
from slipstream.ingestion.loading import load_batch
from slipstream.ingestion.publishing import publish_batch
from slipstream.ingestion.staging import Staging
from slipstream.ingestion.validating import validate_batch
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.settings import Settings


def ingest(source: Source, interval: Interval, *, lake: Lake, settings: Settings, run: Run) -> PublishedBatch:
    """Load, validate and publish the batch of an interval; see the three steps for what they raise."""
    loaded = load_batch(source, interval, lake=lake, settings=settings, run=run)
    try:
        validated = validate_batch(source, loaded, lake=lake, settings=settings, run=run)
        return publish_batch(source, validated, lake=lake, settings=settings, run=run)
    finally:
        Staging(loaded.staging, settings).remove()
