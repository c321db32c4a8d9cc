"""What a task costs beyond its own work: with warm workers, and with workers that import everything anew.

Starts the whole embedded stack twice, each in a home of its own, and backfills eight days of one source through the
real scheduler.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

from slipstream import services
from slipstream.definitions import get_definitions
from slipstream.demo.api import AirflowApi, wait_until
from slipstream.demo.steps import backfill_line, run_airflow
from slipstream.example import publish
from slipstream.services.ports import free_port
from slipstream.settings import Settings, get_settings

FIRST, LAST = date(2013, 1, 1), date(2013, 1, 8)
DAG = "schedules.ingestion"


def measure(*, warm: bool) -> dict[str, float]:
    """Return tasks a second, and the median seconds of a task of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        airflow = free_port()
        settings = Settings(
            home=Path(folder) / "home",
            warm_workers=warm,
            airflow_port=airflow,
            mlflow_port=free_port(taken=frozenset({airflow})),
        )
        os.environ["SLIPSTREAM_HOME"] = str(settings.home)
        get_settings.cache_clear()
        publish(FIRST, LAST, settings=settings, sources=["schedules"])
        stack = services.start(settings)
        try:
            with AirflowApi(stack.airflow_url, user="admin", passwords=stack.password_file) as api:
                return _backfill(api, settings)
        finally:
            services.stop(settings)


def _backfill(api: AirflowApi, settings: Settings) -> dict[str, float]:
    source = get_definitions(settings.definitions).source("schedules")
    days = (LAST - FIRST).days + 1
    starts = [
        interval.start for interval in source.cron.intervals(source.start, datetime.fromisoformat("2013-01-08T00:00Z"))
    ]
    wait_until(lambda: DAG in api.dags(), what="The parsing of the DAGs", seconds=300)
    api.unpause([DAG])
    run_airflow(settings, [backfill_line(DAG, starts[0], starts[-1])])
    wait_until(lambda: api.count([DAG], ["success"]) == days, what="The backfill", seconds=600)
    tasks = []
    for run in api.runs([DAG]):
        tasks += api.get(f"/dags/{DAG}/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
    begun = min(datetime.fromisoformat(task["start_date"]) for task in tasks)
    ended = max(datetime.fromisoformat(task["end_date"]) for task in tasks)
    medians = {
        name: statistics.median(task["duration"] for task in tasks if task["task_id"] == name)
        for name in ("wait_for_batch", "validate_batch")
    }
    return {"tasks_a_second": len(tasks) / (ended - begun).total_seconds(), **medians}


def run() -> dict[str, Any]:
    """Measure, and return what ``make bench`` writes as JSON."""
    began = time.perf_counter()
    warm, cold = measure(warm=True), measure(warm=False)
    return {
        "tasks_a_second_warm": round(warm["tasks_a_second"], 2),
        "tasks_a_second_cold": round(cold["tasks_a_second"], 2),
        "ratio_warm_to_cold": round(warm["tasks_a_second"] / cold["tasks_a_second"], 2),
        "seconds_of_a_wait_warm": round(warm["wait_for_batch"], 2),
        "seconds_of_a_wait_cold": round(cold["wait_for_batch"], 2),
        "seconds_of_a_validation_warm": round(warm["validate_batch"], 2),
        "seconds_of_a_validation_cold": round(cold["validate_batch"], 2),
        "seconds_in_all": round(time.perf_counter() - began),
    }


if __name__ == "__main__":
    print(json.dumps(run()))  # noqa: T201
