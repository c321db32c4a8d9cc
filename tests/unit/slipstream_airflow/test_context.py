"""A task takes its interval, its time and its identity from the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from slipstream.errors import FatalError
from slipstream.intervals import Interval, Schedule, utc
from slipstream_airflow.context import as_of_of, interval_of, is_backfill, is_signalled, looks_back, run_of
from slipstream_airflow.operators.base import passed

NOW = utc("2013-02-03T12:00")
DAILY, MONTHLY = Schedule("0 0 * * *"), Schedule("0 0 1 * *")


@dataclass
class DagRun:
    run_type: str = "scheduled"
    run_after: datetime = NOW
    triggering_user_name: str | None = None
    conf: dict[str, Any] = field(default_factory=dict)


def context(logical_date: str | None = None, *, dag_run: DagRun | None = None, **more: Any) -> Any:
    given = {"dag_run": dag_run or DagRun(), **more}
    return {**given, "logical_date": utc(logical_date)} if logical_date else given


def day(text: str) -> Interval:
    return Interval.parse(text)


def test_a_scheduled_run_is_for_the_interval_that_starts_at_its_logical_date() -> None:
    assert interval_of(context("2013-01-05"), DAILY) == day("2013-01-05")


def test_airflows_own_datetimes_are_understood() -> None:
    import pendulum

    logical_date = pendulum.datetime(2013, 1, 5, tz="UTC")
    found = interval_of({"dag_run": DagRun(), "logical_date": logical_date}, DAILY)  # type: ignore[arg-type, typeddict-item]
    assert found == day("2013-01-05")
    assert type(found.start) is datetime


def test_a_form_or_an_operators_argument_names_the_interval_before_anything_else() -> None:
    params = {"interval_start": "2013-01-02T00:00:00+00:00"}
    assert interval_of(context("2013-01-05", params=params), DAILY) == day("2013-01-02")
    assert interval_of(context("2013-01-05", params=params), DAILY, start="2013-01-03") == day("2013-01-03")


def test_a_run_by_hand_without_a_date_takes_the_newest_interval_that_has_ended() -> None:
    assert interval_of(context(params={"interval_start": None}), DAILY) == day("2013-02-02")


def test_a_run_by_hand_ahead_of_its_interval_takes_the_newest_that_has_started() -> None:
    assert interval_of(context(), DAILY, due="start") == day("2013-02-03")


def test_a_logical_date_within_an_interval_never_gives_that_unfinished_one() -> None:
    assert interval_of(context("2013-01-05T13:30"), DAILY) == day("2013-01-04")


def test_a_run_by_hand_long_after_a_definitions_end_takes_its_last_interval() -> None:
    assert interval_of(context("2020-05-05T13:30"), DAILY, until=utc("2014-01-01")) == day("2013-12-31")


@pytest.mark.parametrize("start", ["2013-01-02T00:00:01", "2013-01-02T12:00+05:00"])
def test_a_time_that_is_no_start_of_an_interval_is_refused_with_the_nearest_one(start: str) -> None:
    with pytest.raises(FatalError, match="starts at 2013-01-02T00:00:00Z"):
        interval_of(context("2013-01-05"), DAILY, start=start)


def test_an_interval_that_is_not_over_is_refused() -> None:
    today = DAILY.floor(datetime.now(UTC))
    with pytest.raises(FatalError, match="is not due before"):
        interval_of(context(), DAILY, start=today.isoformat())
    assert interval_of(context(), DAILY, start=today.isoformat(), due="start").start == today


def test_a_scheduled_training_stands_at_the_end_of_its_interval() -> None:
    assert as_of_of(context("2013-01-01"), MONTHLY) == utc("2013-02-01")
    assert as_of_of(context("2013-01-01", dag_run=DagRun(run_type="backfill")), MONTHLY) == utc("2013-02-01")


def test_a_training_by_hand_stands_at_its_form_or_at_its_own_time() -> None:
    by_hand = DagRun(run_type="manual")
    assert as_of_of(context("2013-01-15", dag_run=by_hand), MONTHLY) == utc("2013-01-15")
    assert as_of_of(context(dag_run=by_hand), MONTHLY) == utc("2013-02-03T12:00")
    asked = context("2013-01-15", dag_run=by_hand, params={"as_of": "2013-01-09T00:00:00Z"})
    assert as_of_of(asked, MONTHLY) == utc("2013-01-09")


def test_a_training_on_a_signal_is_known_by_its_run() -> None:
    assert is_signalled(context(dag_run=DagRun(run_type="asset_triggered")))
    assert not is_signalled(context(dag_run=DagRun(run_type="manual")))


@pytest.mark.parametrize(("run_type", "past"), [("scheduled", False), ("manual", False), ("backfill", True)])
def test_a_backfill_looks_back_unless_its_form_says_otherwise(run_type: str, past: bool) -> None:
    assert looks_back(context(dag_run=DagRun(run_type=run_type))) is past
    assert not looks_back(context(dag_run=DagRun(run_type=run_type), params={"signal_in_backfill": True}))


def test_every_commit_can_name_the_try_that_wrote_it() -> None:
    ti = SimpleNamespace(dag_id="a.ingestion", run_id="r", task_id="t", try_number=2, map_index=-1)
    run = run_of(context(dag_run=DagRun(triggering_user_name="ada"), ti=ti))
    assert run.as_dict() == {"dag_id": "a.ingestion", "run_id": "r", "task_id": "t", "try_number": 2, "by": "ada"}
    ti.map_index = 3
    assert run_of(context(ti=ti)).task_id == "t[3]"


def test_only_a_backfill_is_a_backfill() -> None:
    assert is_backfill(context(dag_run=DagRun(run_type="backfill")))
    assert not is_backfill(context())


@pytest.mark.parametrize("moment", ["2012-12-31T00:00", "2014-01-01T00:00", "2020-05-05T00:00"])
def test_an_interval_that_the_definition_does_not_have_is_refused(moment: str) -> None:
    bounds = {"since": utc("2013-01-01"), "until": utc("2014-01-01")}
    with pytest.raises(FatalError, match="has intervals from 2013-01-01T00:00:00Z to 2014-01-01T00:00:00Z"):
        interval_of(context(moment), DAILY, **bounds)
    with pytest.raises(FatalError, match="has intervals from"):
        interval_of(context("2013-05-05T00:00"), DAILY, start=moment, **bounds)


def test_the_interval_of_a_run_is_named_in_every_line_from_there_on() -> None:
    structlog.contextvars.clear_contextvars()
    interval_of(context("2013-01-05"), DAILY)
    assert structlog.contextvars.get_contextvars() == {"interval": "2013-01-05T00:00:00Z/2013-01-06T00:00:00Z"}
    passed({"interval": "2013-01-06T00:00:00Z/2013-01-07T00:00:00Z"})
    assert structlog.contextvars.get_contextvars() == {"interval": "2013-01-06T00:00:00Z/2013-01-07T00:00:00Z"}
    structlog.contextvars.clear_contextvars()
