"""The first step of ingestion: a batch read, cast and staged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import interval_of, run_of
from slipstream_airflow.hooks.database import use_airflow_connections
from slipstream_airflow.operators.base import SourceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class LoadBatchOperator(SourceOperator):
    """Read the source's batch of the interval, cast it to its declared types, and stage it.

    Returns the staged batch (``slipstream.ingestion.LoadedBatch``) as a dictionary. Rows that do not cast are staged
    for quarantine; nothing is in the lake yet.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.ingestion import load_batch

        use_airflow_connections()
        source = self.definition
        interval = interval_of(context, source.cron, start=self.interval_start, since=source.start, until=source.end)
        loaded = load_batch(source, interval, lake=self.lake, settings=self.lake_hook.settings, run=run_of(context))
        return loaded.as_dict()
