"""How long Airflow needs to parse the DAG folder with 1, 10 and 100 models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PARSE = """
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
import slipstream_airflow.everything
took = []
for _ in range(3):
    from slipstream_airflow import generation
    generation._cached.cache_clear()
    began = time.perf_counter()
    bag = DagBag(sys.argv[1])
    took.append(time.perf_counter() - began)
print(json.dumps([min(took), len(bag.dags), len(bag.import_errors)]))
"""


def parse_seconds(models: int) -> tuple[float, int]:
    """Return the best of three parses of the whole folder, in a process of its own, and the number of DAGs."""
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder) / "include"
        shutil.copytree(PROJECT / "include", include, ignore=shutil.ignore_patterns("slipstream", "__pycache__"))
        shutil.rmtree(include / "models" / "air_time")
        for number in range(1, models):
            _copy_model(include / "models", f"arrival_delay_{number}")
        environment = {
            **os.environ,
            "SLIPSTREAM_DEFINITIONS": str(include),
            "SLIPSTREAM_HOME": f"{folder}/home",
            "AIRFLOW_HOME": f"{folder}/airflow",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True
        )
        done = subprocess.run(
            [sys.executable, "-c", PARSE, str(PROJECT / "dags")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        seconds, dags, errors = json.loads(done.stdout.strip().splitlines()[-1])
        if errors:
            message = f"{errors} DAG files did not import."
            raise RuntimeError(message)
        return seconds, dags


def _copy_model(models: Path, name: str) -> None:
    shutil.copytree(models / "arrival_delay", models / name)
    path = models / name / "model.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("name: arrival_delay", f"name: {name}"), encoding="utf-8")


def run() -> dict[str, Any]:
    """Measure, and return what ``make bench`` writes as JSON."""
    found = {models: parse_seconds(models) for models in (1, 10, 100)}
    one, many = found[1][0], found[100][0]
    return {
        **{f"seconds_{models}_models": round(seconds, 3) for models, (seconds, _) in found.items()},
        **{f"dags_{models}_models": dags for models, (_, dags) in found.items()},
        "milliseconds_a_model_beyond_the_first": round((many - one) / 99 * 1000, 1),
        "aim_milliseconds": 20,
    }


if __name__ == "__main__":
    print(json.dumps(run()))  # noqa: T201
