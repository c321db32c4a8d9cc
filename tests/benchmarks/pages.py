"""How long the Models page takes to render, with 50 models that have run every day for three years.

The lake is written by hand, one Delta commit an interval as the stages do, and compacted as the weekly maintenance
does. The registry is a real MLflow store, of SQLite, with as many registered models. Kept where SLIPSTREAM_BENCH_PAGES
names a folder, for writing it takes minutes.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MODELS, DAYS, FEATURES, RUNS = 50, 3 * 365, 20, 20
PROMOTIONS_EVERY = 30  # days
FIRST = datetime(2021, 1, 1, tzinfo=UTC)
LIMIT = 0.5  # seconds


def seed(root: Path) -> Any:
    """Write the lake and the registry below ``root`` unless they are there; return settings and definitions."""
    from slipstream.settings import Settings

    settings = Settings(
        project=root, home=root / "home", definitions=root / "include", mlflow_tracking_uri=f"sqlite:///{root}/m.db"
    )
    definitions = _definitions(settings.definitions)
    done = root / "complete"
    if not done.exists():
        _register(settings, list(definitions.models))
        _ledger(settings, definitions)
        # The tables of all models hold the same rows, so they are written once and copied.
        first, *others = definitions.models.values()
        _history(settings, first)
        _copy(settings, first, others)
        done.touch()
    return settings, definitions


def _definitions(folder: Path) -> Any:
    from slipstream.definitions import load_definitions

    source = {"name": "orders", "owner": "shop", "description": "Orders.", "schedule": "0 0 * * *", "key": ["order_id"]}
    source |= {"start": "2021-01-01", "event_time": "interval_start", "known_at": "interval_end"}
    source |= {"connector": {"type": "files", "path": "orders/{start:%Y-%m-%d}.csv", "format": "csv"}}
    source |= {"columns": {"order_id": "int64", "due": "timestamp", **{f"f{n}": "float64" for n in range(FEATURES)}}}
    view = {"name": "facts", "owner": "shop", "description": "Facts.", "schedule": "0 0 * * *", "start": "2021-01-01"}
    view |= {"entity": ["order_id"], "inputs": {"orders": {"table": "raw/orders", "lookback": "0h"}}, "ttl": "5d"}
    view |= {"features": {f"f{n}": {"type": "float64", "description": "A number."} for n in range(FEATURES)}}
    names = ", ".join(f"f{n}" for n in range(FEATURES))
    files = {
        "sources/orders/source.yaml": json.dumps(source),
        "features/facts/view.yaml": json.dumps(view),
        "features/facts/view.sql": f"SELECT order_id, event_time, known_at, {names} FROM orders",
    }
    for number in range(MODELS):
        model = {"name": f"model_{number:02}", "owner": "shop", "purpose": "To be looked at.", "seed": 1}
        model |= {"task": "binary_classification", "start": "2021-01-01", "key": ["order_id"]}
        model |= {"population": {"inputs": {"orders": {"table": "raw/orders", "lookback": "1d"}}}}
        model |= {"label": {"inputs": {"orders": {"table": "raw/orders"}}, "maturity": "1d"}}
        model |= {"features": [f"facts:f{n}" for n in range(FEATURES)], "gate": [{"check": "baseline"}]}
        place = f"models/{model['name']}"
        files |= {
            f"{place}/model.yaml": json.dumps(model),
            f"{place}/population.sql": "SELECT order_id, due AS prediction_time FROM orders "
            "WHERE due >= $interval_start AND due < $interval_end",
            f"{place}/label.sql": "SELECT order_id, f0 AS label, known_at FROM orders",
            f"{place}/estimator.py": "def build(params):\n    raise NotImplementedError\n",
        }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load_definitions(folder)


def _register(settings: Any, names: list[str]) -> None:
    from slipstream.promotion import Registry

    client = Registry.from_settings(settings).client
    for name in names:
        client.create_registered_model(name)
        for _ in range(3):
            client.create_model_version(name, source="file:///nowhere", await_creation_for=0)
        client.set_registered_model_alias(name, "champion", "2")
        client.set_registered_model_alias(name, "challenger", "3")


def _ledger(settings: Any, definitions: Any) -> None:
    """Write the rows of all models at once: what a compacted ledger is."""
    import pyarrow as pa

    from slipstream.lake import Lake, Provenance, Run
    from slipstream.promotion.history import TABLE, schema

    sentence = "log_loss 0.5858 against the champion's 0.6643 on 540 rows in 9 blocks: a gain of +0.0785. " * 3
    check = {"name": "metric_gain", "outcome": "passed", "sentence": sentence, "numbers": {"draws": [0.1] * 1000}}
    rows = []
    for name in definitions.models:
        for seq, day in enumerate(range(0, DAYS, PROMOTIONS_EVERY), start=1):
            at = FIRST + timedelta(days=day)
            verdict = {"challenger": str(seq), "champion": str(seq - 1) if seq > 1 else None, "outcome": "accepted"}
            verdict |= {"reason": sentence, "decided_at": at.isoformat(), "comparison": {"rows": 540}}
            verdict |= {"checks": [check] * 6}
            row = {"model": name, "seq": seq, "at": at, "as_of": at, "action": "promoted", "version": str(seq)}
            row |= {"replaces": verdict["champion"], "challenger": str(seq), "reason": sentence, "by": "promotion"}
            row |= {"verdict": json.dumps(verdict), "verdict_digest": str(seq), "run_id": "r", "approval": None}
            rows.append(row)
    table = Lake.from_settings(settings).table(TABLE)
    made = pa.Table.from_pylist(rows, schema=schema())
    table.append(made, expected_version=None, provenance=Provenance(Run.local()))


def _history(settings: Any, model: Any) -> None:
    import pyarrow as pa

    from slipstream.intervals import Interval
    from slipstream.lake import Lake, Provenance, Run
    from slipstream.monitoring.rows import schema

    lake, provenance = Lake.from_settings(settings), Provenance(Run.local())
    for day in range(DAYS):
        interval = Interval(FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1))
        predictions = pa.table({"order_id": pa.array(range(60), pa.int64()), "score": pa.array([0.5] * 60)})
        watched = pa.Table.from_pylist(list(_measured(interval, day)), schema=schema())
        bad = pa.table({"reason": pa.array(["not a number"] * (day % 3), pa.string())})
        written = {model.table: predictions, model.monitoring_table: watched}
        written |= {"raw/orders": predictions, "quarantine/orders": bad}
        for name, rows in written.items():
            lake.table(name).write(interval, rows, provenance=provenance)


def _measured(interval: Any, day: int) -> Any:
    when = {"window_start": interval.end - timedelta(days=7), "window_end": interval.end, "rows": 400}
    when |= {"event_time": interval.start, "known_at": interval.end, "reference_rows": 400, "note": ""}
    when |= {"model_version": str(1 + day // PROMOTIONS_EVERY), "threshold": 0.2}
    for number in range(FEATURES):
        value = (day * 7 + number * 13) % 40 / 100
        row = {"kind": "drift", "metric": f"facts__f{number}", "method": "wasserstein"}
        yield {**when, **row, "value": value, "alarm": value > 0.2}
    for number, metric in enumerate(("log_loss", "brier", "roc_auc", "calibration_error")):
        row = {"kind": "performance", "metric": metric, "method": "mean", "value": 0.5 + (day * 3 + number) % 20 / 100}
        yield {**when, **row, "alarm": False}
    for kind in ("data_quality", "drift", "prediction_drift", "performance"):
        alarm = day % 50 in (3, 4)
        yield {**when, "kind": "verdict", "metric": kind, "method": "share", "value": 0.1, "alarm": alarm}


def _copy(settings: Any, first: Any, others: list[Any]) -> None:
    import shutil

    for model in others:
        for kind in ("predictions", "monitoring"):
            root = Path(settings.lake) / kind
            shutil.copytree(root / first.name, root / model.name, copy_function=os.link)


def pages(settings: Any, definitions: Any) -> dict[str, Callable[[], Any]]:
    """Return what renders each page, signed in as somebody who may see every DAG."""
    os.environ |= {
        "SLIPSTREAM_HOME": str(settings.home),
        "SLIPSTREAM_PROJECT": str(settings.project),
        "SLIPSTREAM_DEFINITIONS": str(settings.definitions),
        "SLIPSTREAM_MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
    }
    from airflow.api_fastapi.core_api import security
    from airflow.utils.db import initdb
    from fastapi.testclient import TestClient

    from slipstream_airflow.pages import access
    from slipstream_airflow.pages.app import make_app

    class Everybody:
        def is_authorized_dag(self, **_: Any) -> bool:
            return True

        def filter_authorized_dag_ids(self, *, dag_ids: set[str], **_: Any) -> set[str]:
            return dag_ids

    initdb()
    security.get_auth_manager = access.get_auth_manager = Everybody
    app = make_app()
    app.dependency_overrides[security.get_user] = object
    browser = TestClient(app)

    def get(path: str) -> Callable[[], Any]:
        def ask() -> None:
            answer = browser.get(path)
            if answer.status_code != 200 or "MLflow does not answer" in answer.text:
                raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")

        return ask

    names = sorted(definitions.models)
    return {
        "overview": get("/models"),
        "model, 90 days": get(f"/models/{names[1]}"),
        "another model, 90 days": get(f"/models/{names[4]}"),
        "model, 365 days": get(f"/models/{names[2]}?days=365"),
        "model, 3 years": get(f"/models/{names[3]}?days={DAYS}"),
    }


def measure(root: Path) -> dict[str, Any]:
    """Return the seconds of the first time, after what the server reads at its start, and the median of later ones."""
    from slipstream.settings import get_settings

    settings, definitions = seed(root)
    get_settings.cache_clear()
    asked = pages(settings, definitions)
    from slipstream_airflow.pages.asking import asking
    from slipstream_airflow.pages.models import Here
    from slipstream_airflow.pages.warming import refresh

    asking.wait = 120.0
    _ = Here().aliases  # opens the SQLite store, which an MLflow server has done already
    found: dict[str, Any] = {"models": MODELS, "days": DAYS, "limit_seconds": LIMIT}
    begin = time.perf_counter()
    if not refresh():
        raise RuntimeError("The overview could not be read ahead; the log says why.")
    found["read ahead from the server's start, seconds"] = round(time.perf_counter() - begin, 3)
    for name, ask in asked.items():
        times, busy = [], time.process_time()
        for number in range(RUNS):
            begin = time.perf_counter()
            ask()
            times.append(time.perf_counter() - begin)
            if number == 0:
                found[f"{name}: first, processor seconds"] = round(time.process_time() - busy, 3)
        found[f"{name}: first, seconds"] = round(times[0], 3)
        found[f"{name}: later, median seconds"] = round(statistics.median(times[1:]), 3)
    return found


def run() -> dict[str, Any]:
    """Measure, and return what ``make bench`` writes as JSON."""
    kept = os.environ.get("SLIPSTREAM_BENCH_PAGES")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("AIRFLOW_HOME", f"{folder}/airflow")
        os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        root = Path(kept or folder)
        root.mkdir(parents=True, exist_ok=True)
        return measure(root)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
