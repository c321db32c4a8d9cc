"""Cron schedules as Airflow timetables, so that the logical date is always the start of the interval."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable, CronTriggerTimetable

from slipstream_airflow.assets import retrain_asset

if TYPE_CHECKING:
    from airflow.sdk import Asset

    from slipstream.definitions import Model, Source, View


def after_interval(cron: str) -> CronDataIntervalTimetable:
    """Run when an interval of ``cron`` (UTC) has ended."""
    return CronDataIntervalTimetable(cron, timezone="UTC")


def at_interval_start(cron: str) -> CronTriggerTimetable:
    """Run when an interval of ``cron`` (UTC) starts, ahead of what happens in it."""
    return CronTriggerTimetable(cron, timezone="UTC")


def scoring_schedule(model: Model) -> CronDataIntervalTimetable | CronTriggerTimetable:
    """Return when a model's rows are scored: at the start of their interval, or after it."""
    of = at_interval_start if model.scoring.at == "start" else after_interval
    return of(model.scoring.schedule)


def training_schedule(model: Model) -> AssetOrTimeSchedule | list[Asset]:
    """Return when a model is trained: on the retrain signal, and by its cron where it has one."""
    signal = [retrain_asset(model)]
    if not model.training.schedule:
        return signal
    return AssetOrTimeSchedule(timetable=after_interval(model.training.schedule), assets=signal)


def dates(definition: Source | View | Model) -> dict[str, Any]:
    """Return a DAG's first and last logical date: no interval starts before ``start``, or at or after ``end``."""
    last = definition.end - timedelta(microseconds=1) if definition.end else None
    return {"start_date": definition.start, "end_date": last}
