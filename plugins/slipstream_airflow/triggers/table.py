"""Waiting for intervals of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slipstream_airflow.triggers.polling import PollingTrigger, raise_unless_ready

__all__ = ["TablesCompleteTrigger", "raise_unless_ready"]


class TablesCompleteTrigger(PollingTrigger):
    """Ends when every needed interval of every table is complete.

    Args:
        needed: ``{"table": name, "intervals": ["START/END", …]}`` for each table.
        root: Root of the lake.
        storage_options: Options of the object store; no secrets, which come from the environment.
        poll_interval: Seconds between two looks.
    """

    def __init__(
        self,
        *,
        needed: Sequence[Mapping[str, Any]],
        root: str,
        storage_options: Mapping[str, str],
        poll_interval: float,
    ) -> None:
        super().__init__(poll_interval=poll_interval)
        self.needed = [dict(each) for each in needed]
        self.root = root
        self.storage_options = dict(storage_options)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {name: getattr(self, name) for name in ("needed", "root", "storage_options", "poll_interval")}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    def look(self) -> str | None:
        from slipstream.features import Needed, missing_inputs
        from slipstream.intervals import Interval
        from slipstream.lake import Lake

        needed = [Needed(each["table"], tuple(map(Interval.parse, each["intervals"]))) for each in self.needed]
        missing = missing_inputs(Lake(self.root, storage_options=self.storage_options), needed)
        return describe(missing) if missing else None


def describe(missing: Sequence[tuple[str, Any]]) -> str:
    """Say what is missing, a table a sentence."""
    by_table: dict[str, list[Any]] = {}
    for table, interval in missing:
        by_table.setdefault(table, []).append(interval)
    lines = [f"{table}: {len(found)} interval(s) from {found[0]} to {found[-1]}" for table, found in by_table.items()]
    return f"Waiting for {'; '.join(lines)}."
