"""What a task learns from Airflow: its interval, the time it stands at, who runs it and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from slipstream.errors import FatalError
from slipstream.intervals import Interval, Schedule, iso, utc

if TYPE_CHECKING:
    from airflow.sdk import Context

    from slipstream.lake import Run

Due = Literal["start", "end"]
BACKFILL = "backfill"
MANUAL = "manual"
SIGNALLED = "asset_triggered"
SCHEDULED = ("scheduled", BACKFILL)
TICK = timedelta(microseconds=1)


def interval_of(
    context: Context,
    schedule: Schedule,
    *,
    start: str | None = None,
    due: Due = "end",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Interval:
    """Return the interval of ``schedule`` that a run is for, and name it in what the task logs from here on.

    In this order: ``start``, the run's param ``interval_start``, a logical date that is an interval's start, and else
    (a manual or asset-triggered run) the newest interval that was due at the run's time.

    Args:
        context: The task's context.
        schedule: The cron schedule, in UTC, that cuts time into intervals.
        start: The interval's start in ISO 8601, where the operator was given one.
        due: Whether an interval is due when it starts or when it has ended.
        since: No interval ends at or before it: the definition's start.
        until: No interval starts at or after it; for a definition that has an end.

    Raises:
        FatalError: That is no start of an interval, or the interval is not due yet, or the definition has none there.
    """
    found = _interval_of(context, schedule, start, due, since, until)
    name_in_log(interval=str(found))
    return found


def name_in_log(**fields: str) -> None:
    """Add ``fields`` to every line that this task logs from here on, as Airflow adds the run and the task."""
    from structlog.contextvars import bind_contextvars

    bind_contextvars(**fields)


def _interval_of(
    context: Context,
    schedule: Schedule,
    start: str | None,
    due: Due,
    since: datetime | None,
    until: datetime | None,
) -> Interval:
    given = start or params_of(context).get("interval_start")
    if given:
        return _within(_due_by_now(interval_from(schedule, given), due), since, until)
    logical_date = _plain(context.get("logical_date"))
    if logical_date is not None and schedule.floor(logical_date) == logical_date:
        return _within(_due_by_now(schedule.interval_at(logical_date), due), since, until)
    moment = logical_date or _plain(context["dag_run"].run_after) or datetime.now(UTC)
    newest = schedule.interval_at(moment)
    if due == "end":
        newest = schedule.interval_at(newest.start - TICK)
    return schedule.interval_at(until - TICK) if until and newest.start >= until else newest


def interval_from(schedule: Schedule, start: str | datetime) -> Interval:
    """Return the interval that starts at ``start``; FatalError where none does."""
    moment = utc(start)
    interval = schedule.interval_at(moment)
    if interval.start != moment:
        message = (
            f"Wanted the start of an interval of the schedule {schedule.cron!r} (UTC), found {iso(moment)}. "
            f"The interval that holds it starts at {iso(interval.start)}."
        )
        raise FatalError(message)
    return interval


def _within(interval: Interval, since: datetime | None, until: datetime | None) -> Interval:
    if (since and interval.end <= since) or (until and interval.start >= until):
        bounds = f"{iso(since) if since else 'ever'} to {iso(until) if until else 'now'}"
        message = f"The definition has intervals from {bounds}; found {interval}. Name one of those, or mend its dates."
        raise FatalError(message)
    return interval


def _due_by_now(interval: Interval, due: Due) -> Interval:
    moment = interval.start if due == "start" else interval.end
    if moment > datetime.now(UTC):
        message = f"The interval {interval} is not due before {iso(moment)}. Run it then, or name an earlier one."
        raise FatalError(message)
    return interval


def as_of_of(context: Context, schedule: Schedule | None, *, as_of: str | None = None) -> datetime:
    """Return the time, as known at which a model is to be trained.

    In this order: ``as_of``, the run's param ``as_of``, the end of a scheduled or backfilled run's interval, and else
    the time of the run. A training for an alarm stands at the end of the alarm's window: see ``ClaimTrainingOperator``.
    """
    given = as_of or params_of(context).get("as_of")
    if given:
        return utc(given)
    dag_run = context["dag_run"]
    logical_date = _plain(context.get("logical_date"))
    if schedule and logical_date and dag_run.run_type != MANUAL:
        return schedule.interval_at(logical_date).end
    return logical_date or utc(_plain(dag_run.run_after) or datetime.now(UTC))


def is_signalled(context: Context) -> bool:
    """Tell whether the retrain signal started the run. What it says counts for nothing: the ledger says what is so."""
    return bool(context["dag_run"].run_type == SIGNALLED)


def run_of(context: Context) -> Run:
    """Return the identity of this try of this task, which every commit carries."""
    from slipstream.lake import Run

    ti = context["ti"]
    mapped = ti.map_index is not None and ti.map_index >= 0
    task_id = f"{ti.task_id}[{ti.map_index}]" if mapped else ti.task_id
    return Run(dag_id=ti.dag_id, run_id=ti.run_id, task_id=task_id, try_number=ti.try_number, by=started_by(context))


def started_by(context: Context) -> str | None:
    """Return the user who started the run by hand, None for a run that Airflow started."""
    name = getattr(context["dag_run"], "triggering_user_name", None)
    return str(name) if name else None


def is_backfill(context: Context) -> bool:
    """Tell whether a backfill made the run."""
    return bool(context["dag_run"].run_type == BACKFILL)


def looks_back(context: Context) -> bool:
    """Tell whether the run judges the past only: a backfill, unless its param ``signal_in_backfill`` says otherwise."""
    return is_backfill(context) and not params_of(context).get("signal_in_backfill")


def params_of(context: Context) -> Mapping[str, Any]:
    """Return the run's params; a DAG that has none gives none."""
    return context.get("params") or {}


def _plain(moment: datetime | None) -> datetime | None:
    """Return Airflow's own kind of datetime as a plain one in UTC."""
    return None if moment is None else datetime.fromtimestamp(moment.timestamp(), UTC)
