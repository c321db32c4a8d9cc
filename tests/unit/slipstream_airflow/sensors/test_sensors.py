"""A sensor looks once, and goes to the triggerer only if something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Provenance, Run
from slipstream.settings import get_settings
from slipstream_airflow.sensors.batch import BatchSensor
from slipstream_airflow.sensors.table import IntervalCompleteSensor, TablesCompleteSensor

DAY = Interval.parse("2013-01-05")
SOURCE = """
name: orders
description: Orders.
schedule: "0 0 * * *"
start: 2013-01-01
connector: {type: files, path: "orders/{start:%Y-%m-%d}.csv", format: csv}
columns: {id: int64}
key: [id]
event_time: interval_start
arrival: {timeout: 3d, poll: 7s}
"""
VIEW = """
name: facts
description: Facts.
schedule: "0 0 * * *"
start: 2013-01-01
entity: [id]
inputs: {orders: {table: raw/orders, lookback: 1d}}
features: {one: {type: int64, description: One.}}
"""


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    files = {
        "include/sources/orders/source.yaml": SOURCE,
        "include/features/facts/view.yaml": VIEW,
        "include/features/facts/view.sql": "SELECT id, event_time, known_at, 1 AS one FROM orders",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("SLIPSTREAM_PROJECT", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW_CONN_LAKE_DEFAULT", '{"conn_type": "lake"}')
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def context(moment: str = "2013-01-05") -> Any:
    return {"logical_date": utc(moment), "dag_run": SimpleNamespace(run_type="scheduled"), "params": {}}


def deferral(sensor: Any) -> Any:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as caught:
        sensor.execute(context())
    return caught.value


def publish(project: Path, *days: str) -> None:
    for day in days:
        rows = pa.table({"id": [1]})
        table = Lake(project / "home" / "lake").table("raw/orders")
        table.write(Interval.parse(day), rows, provenance=Provenance(run=Run.local()))


def test_a_batch_that_is_there_costs_no_trip_to_the_triggerer(project: Path) -> None:
    landed = project / "home/landing/orders/2013-01-05.csv"
    landed.parent.mkdir(parents=True)
    landed.write_text("id\n1\n", encoding="utf-8")
    assert BatchSensor(task_id="wait", source="orders").execute(context()) is None


def test_a_batch_that_is_not_there_is_waited_for_in_the_triggerer() -> None:
    found = deferral(BatchSensor(task_id="wait", source="orders", poke_interval=7, timeout=3600))
    assert found.trigger.serialize()[1] == {
        "source": "orders",
        "interval_start": "2013-01-05T00:00:00Z",
        "poll_interval": 7,
    }
    assert (found.method_name, found.timeout.total_seconds()) == ("arrived", 3600)


def test_a_complete_interval_is_not_waited_for(project: Path) -> None:
    publish(project, "2013-01-05")
    assert IntervalCompleteSensor(task_id="wait", table="raw/orders").execute(context()) is None


def test_an_operators_own_argument_names_the_interval(project: Path) -> None:
    publish(project, "2013-01-02")
    sensor = IntervalCompleteSensor(task_id="wait", table="raw/orders", interval_start="2013-01-02")
    assert sensor.execute(context()) is None


def test_a_view_waits_for_its_interval_and_its_lookback(project: Path) -> None:
    publish(project, "2013-01-05")
    sensor = TablesCompleteSensor(task_id="wait", stage="features", definition="facts")
    needed = deferral(sensor).trigger.needed
    assert needed == [{"table": "raw/orders", "intervals": [str(Interval.parse("2013-01-04")), str(DAY)]}]
    publish(project, "2013-01-04")
    assert sensor.execute(context()) is None
