"""Cron timetables that end, without the DAG itself ending.

A DAG's ``end_date`` would also hold back every task of a run by hand whose logical date, today, lies after it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable

from slipstream.intervals import iso, utc


class IntervalsUntil(CronDataIntervalTimetable):
    """Runs after each interval of a cron schedule (UTC) that starts before ``until``."""

    def __init__(self, cron: str, *, until: datetime) -> None:
        super().__init__(cron, timezone="UTC")
        self.until = until

    def serialize(self) -> dict[str, Any]:
        return {"cron": self._expression, "until": iso(self.until)}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> IntervalsUntil:
        return cls(data["cron"], until=utc(data["until"]))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=_before(restriction, self.until)
        )


class StartsUntil(CronTriggerTimetable):
    """Runs at the start of each interval of a cron schedule (UTC) that starts before ``until``."""

    def __init__(self, cron: str, *, until: datetime) -> None:
        super().__init__(cron, timezone="UTC")
        self.until = until

    def serialize(self) -> dict[str, Any]:
        return {"cron": self._expression, "until": iso(self.until)}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> StartsUntil:
        return cls(data["cron"], until=utc(data["until"]))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=_before(restriction, self.until)
        )


def _before(restriction: TimeRestriction, until: datetime) -> TimeRestriction:
    import pendulum

    last = pendulum.instance(until - timedelta(microseconds=1))
    return restriction._replace(latest=min(last, restriction.latest or last))
