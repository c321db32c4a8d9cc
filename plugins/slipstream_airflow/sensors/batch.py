"""Waiting for a source's batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from slipstream.intervals import iso
from slipstream_airflow.context import interval_of
from slipstream_airflow.documentation import documentation
from slipstream_airflow.triggers.batch import BatchTrigger, raise_unless_ready

if TYPE_CHECKING:
    from airflow.sdk import Context


class BatchSensor(BaseSensorOperator):
    """Wait, holding no worker, until the source's batch of the interval has arrived whole.

    Args:
        source: The source's name.
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
        poke_interval, timeout: Default: what the source's ``arrival`` says.
    """

    template_fields: Sequence[str] = ("source", "interval_start")

    def __init__(self, *, source: str, interval_start: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("doc_md", documentation(type(self)))
        super().__init__(**kwargs)
        self.source = source
        self.interval_start = interval_start

    def execute(self, context: Context) -> None:
        from slipstream.ingestion import look_for_batch
        from slipstream.settings import get_settings
        from slipstream_airflow.generation import sound_definitions

        source = sound_definitions().source(self.source)
        interval = interval_of(context, source.cron, start=self.interval_start, since=source.start, until=source.end)
        arrival = look_for_batch(source, interval, settings=get_settings())
        self.log.info(arrival.reason)
        if not arrival.ready:
            trigger = BatchTrigger(
                source=source.name, interval_start=iso(interval.start), poll_interval=self.poke_interval
            )
            self.defer(trigger=trigger, method_name="arrived", timeout=timedelta(seconds=self.timeout))

    def arrived(self, context: Context, event: Mapping[str, Any]) -> None:
        raise_unless_ready(event)
