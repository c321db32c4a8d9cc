"""Airflow's tables, made once a session, and a small project: its landed files, its lake, its MLflow store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstream.definitions import Definitions, load_definitions
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Run
from slipstream.settings import Settings, get_settings

REPOSITORY = Path(__file__).resolve().parents[2]
DAGS = REPOSITORY / "dags"
BUNDLE = "dags-folder"
FIRST, DAYS, PER_DAY = utc("2013-01-01"), 24, 60

SOURCE = """
name: {name}
owner: shop
description: {name} of a small shop.
schedule: "0 0 * * *"
start: 2013-01-01
connector: {{type: files, path: "{name}/{{start:%Y-%m-%d}}.csv", format: csv}}
columns: {columns}
key: [order_id]
event_time: interval_start
"""
EXPECTATIONS = """
expectations:
  - {type: expect_column_values_to_be_between, kwargs: {column: size, min_value: -50}, on_failure: quarantine}
"""
VIEW = """
name: order_facts
owner: shop-data
description: What is known of an order.
schedule: "0 0 * * *"
start: 2013-01-01
entity: [order_id]
inputs: {orders: {table: raw/orders, lookback: 0h}}
ttl: 2d
features:
  size: {type: float64, description: Size of the order.}
"""
MODEL = """
name: %(name)s
purpose: Tells which orders come back.
owner: shop-science
task: binary_classification
start: 2013-01-01
key: [order_id]
population: {inputs: {orders: {table: raw/orders, lookback: 1d}}}
label: {inputs: {outcomes: {table: raw/outcomes}}, maturity: 1d}
features: ["order_facts:size"]
training: {schedule: %(training)s, min_rows: 100, candidates: {C: [0.1, 1.0]}}
evaluation: {window: 5d, min_rows: 100}
seed: 7
gate: [{check: baseline}, {check: metric_gain, resamples: 500}]
approval: %(approval)s
scoring: {schedule: "0 0 * * *", at: start}
monitoring: {window: 3d, sample: 100, min_rows: 50}
"""
POPULATION = """
SELECT order_id, due AS prediction_time FROM orders WHERE due >= $interval_start AND due < $interval_end
"""
ESTIMATOR = """
from sklearn.linear_model import LogisticRegression


def build(params):
    return LogisticRegression(**params)
"""


@dataclass(frozen=True)
class Project:
    """A project folder with two sources, a view and two models, and a landing folder with 24 days of files."""

    root: Path
    settings: Settings
    definitions: Definitions

    @property
    def lake(self) -> Lake:
        return Lake.from_settings(self.settings)

    def day(self, number: int) -> Interval:
        """Return the interval of the day ``number``, counted from 0."""
        start = FIRST + timedelta(days=number)
        return Interval(start, start + timedelta(days=1))

    def fill(self, first: int, last: int) -> None:
        """Ingest and materialise the days from ``first`` to ``last`` by the library alone."""
        from slipstream.features import materialise
        from slipstream.ingestion import ingest

        given: dict[str, Any] = {"lake": self.lake, "settings": self.settings, "run": Run.local()}
        for number in range(first, last + 1):
            for source in self.definitions.sources.values():
                ingest(source, self.day(number), **given)
            for view in self.definitions.views.values():
                materialise(view, self.day(number), definitions=self.definitions, **given)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def definition_files() -> dict[str, str]:
    """Return the small project's definitions, file by file."""
    models = {
        "returns": {"name": "returns", "training": '"0 0 1 * *"', "approval": "{}"},
        "refunds": {"name": "refunds", "training": "null", "approval": "{required: true, approvers: [ada]}"},
    }
    files = {
        "sources/orders/source.yaml": SOURCE.format(
            name="orders", columns="{order_id: int64, due: timestamp, size: float64}"
        ),
        "sources/orders/expectations.yaml": EXPECTATIONS,
        "sources/outcomes/source.yaml": SOURCE.format(name="outcomes", columns="{order_id: int64, back: int64}"),
        "features/order_facts/view.yaml": VIEW,
        "features/order_facts/view.sql": "SELECT order_id, event_time, known_at, size FROM orders",
    }
    for name, values in models.items():
        files |= {
            f"models/{name}/model.yaml": MODEL % values,
            f"models/{name}/population.sql": POPULATION,
            f"models/{name}/label.sql": "SELECT order_id, back AS label, known_at FROM outcomes",
            f"models/{name}/estimator.py": ESTIMATOR,
        }
    return files


def landed_files() -> dict[str, str]:
    """Return each day's orders, which are due on the day after, and the outcomes of those that were due that day."""
    chance = np.random.default_rng(5)
    files = {}
    for number in range(DAYS):
        due = FIRST + timedelta(days=number + 1)
        sizes = chance.normal(size=PER_DAY)
        rows = [f"{number * PER_DAY + i},{due:%Y-%m-%dT%H:%M:%SZ},{size:.4f}" for i, size in enumerate(sizes)]
        if number == 2:
            rows.append(f"99999,{due:%Y-%m-%dT%H:%M:%SZ},-99")
        back = (chance.random(PER_DAY) < 1 / (1 + np.exp(-2 * sizes))).astype(int)
        ends = [f"{number * PER_DAY + i},{value}" for i, value in enumerate(back)]
        day = f"{FIRST + timedelta(days=number):%Y-%m-%d}"
        files[f"orders/{day}.csv"] = "\n".join(["order_id,due,size", *rows]) + "\n"
        files[f"outcomes/{due:%Y-%m-%d}.csv"] = "\n".join(["order_id,back", *ends]) + "\n"
    files[f"outcomes/{FIRST:%Y-%m-%d}.csv"] = "order_id,back\n-1,0\n"
    return files


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give the small project; its lake is empty at first."""
    root = tmp_path_factory.mktemp("project")
    write(root / "include", definition_files())
    write(root / "home" / "landing", landed_files())
    settings = Settings(project=root, home=root / "home", mlflow_tracking_uri=f"sqlite:///{root}/mlflow.db")
    return Project(root, settings, load_definitions(root / "include"))


@pytest.fixture(scope="module", autouse=True)
def _environment(project: Project) -> Iterator[None]:
    """Let the DAG files, and the tasks that run in this process, see the small project."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("SLIPSTREAM_", "AIRFLOW_CONN_"))]:
            patch.delenv(name)
        patch.setenv("SLIPSTREAM_PROJECT", str(project.root))
        patch.setenv("SLIPSTREAM_HOME", str(project.settings.home))
        patch.setenv("SLIPSTREAM_MLFLOW_TRACKING_URI", project.settings.mlflow_tracking_uri)
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", (project.root / "artifacts").as_uri())
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("DO_NOT_TRACK", "1")
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def airflow_tables() -> None:
    """Make Airflow's tables in the session's own home."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="module")
def dagbag(_environment: None, airflow_tables: None) -> Any:
    """Give the DAGs of the repository's files for the small project, known to Airflow's tables."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    bag = DagBag(DAGS, bundle_path=DAGS, bundle_name=BUNDLE)
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, BUNDLE, None)
    return bag


@pytest.fixture
def moment() -> datetime:
    return FIRST
