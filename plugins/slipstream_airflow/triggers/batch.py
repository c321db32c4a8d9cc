"""Waiting for a source's batch."""

from __future__ import annotations

from typing import Any

from slipstream_airflow.triggers.polling import PollingTrigger, raise_unless_ready

__all__ = ["BatchTrigger", "raise_unless_ready"]


class BatchTrigger(PollingTrigger):
    """Ends when the batch of a source and interval is there and whole.

    Args:
        source: The source's name.
        interval_start: Start of the interval in ISO 8601.
        poll_interval: Seconds between two looks.
    """

    def __init__(self, *, source: str, interval_start: str, poll_interval: float) -> None:
        super().__init__(poll_interval=poll_interval)
        self.source = source
        self.interval_start = interval_start

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {name: getattr(self, name) for name in ("source", "interval_start", "poll_interval")}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    def look(self) -> str | None:
        from slipstream.ingestion import look_for_batch
        from slipstream.settings import get_settings
        from slipstream_airflow.context import interval_from
        from slipstream_airflow.generation import sound_definitions

        source = sound_definitions().source(self.source)
        arrival = look_for_batch(source, interval_from(source.cron, self.interval_start), settings=get_settings())
        return None if arrival.ready else arrival.reason
