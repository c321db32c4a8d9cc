"""Cron schedules as Airflow timetables, so that the logical date is always the start of the interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable, CronTriggerTimetable

from slipstream_airflow.assets import retrain_asset

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Asset

    from slipstream.definitions import Model


def after_interval(cron: str, until: datetime | None = None) -> Any:
    """Run when an interval of ``cron`` (UTC) that started before ``until`` has ended."""
    if until is None:
        return CronDataIntervalTimetable(cron, timezone="UTC")
    from slipstream_airflow.timetables import IntervalsUntil

    return IntervalsUntil(cron, until=until)


def at_interval_start(cron: str, until: datetime | None = None) -> Any:
    """Run when an interval of ``cron`` (UTC) starts, before ``until``, ahead of what happens in it."""
    if until is None:
        return CronTriggerTimetable(cron, timezone="UTC")
    from slipstream_airflow.timetables import StartsUntil

    return StartsUntil(cron, until=until)


def scoring_schedule(model: Model) -> Any:
    """Return when a model's rows are scored: at the start of their interval, or after it."""
    of = at_interval_start if model.scoring.at == "start" else after_interval
    return of(model.scoring.schedule, model.end)


def training_schedule(model: Model) -> AssetOrTimeSchedule | list[Asset]:
    """Return when a model is trained: on the retrain signal, and by its cron where it has one."""
    signal = [retrain_asset(model)]
    if not model.training.schedule:
        return signal
    return AssetOrTimeSchedule(timetable=after_interval(model.training.schedule, model.end), assets=signal)
