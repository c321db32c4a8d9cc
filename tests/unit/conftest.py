"""A real MLflow store, opened once a session, and a small world of definitions with a real lake behind it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import Definitions, Model, load_definitions
from slipstream.features import FeatureSet, materialise
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Provenance, Run, digest_rows
from slipstream.monitoring.rows import Measurement
from slipstream.monitoring.rows import schema as monitoring_schema
from slipstream.promotion.evaluation import Comparison, plan, score_both
from slipstream.promotion.history import Entry, LedgerRow, append
from slipstream.promotion.projection import repair
from slipstream.promotion.promoting import settle
from slipstream.promotion.registry import Registry
from slipstream.promotion.verdict import Verdict, evaluate_gate
from slipstream.settings import Settings
from slipstream.training.challenger import Registered, register_challenger
from slipstream.training.dataset import TrainingSet, stage
from slipstream.training.fitting import fit_candidate

FIRST, DAYS, PER_DAY = utc("2013-01-01"), 40, 60
NOW = FIRST + timedelta(days=DAYS)
_numbers = itertools.count(1)

SOURCE = """
name: {name}
owner: shop
description: {name} of a small shop.
schedule: "0 0 * * *"
start: 2012-12-31
connector: {{type: files, path: "{name}/{{start:%Y-%m-%d}}.csv", format: csv}}
columns: {columns}
key: [order_id]
event_time: {event_time}
known_at: interval_end
"""
VIEW = """
name: order_facts
owner: shop
description: What is known of an order.
schedule: "0 0 * * *"
start: 2012-12-31
entity: [order_id]
inputs: {orders: {table: raw/orders, lookback: 0h}}
ttl: 5d
features:
  size: {type: float64, description: Size of the order.}
  kind: {type: string, description: Kind of the order.}
  rush: {type: bool, description: Whether it is in a hurry.}
"""
MODEL = """
name: %(name)s
purpose: A small model for tests.
owner: shop
task: %(task)s
start: 2013-01-01
key: [order_id]
population:
  inputs: {orders: {table: raw/orders, lookback: 1d}}
label:
  inputs: {outcomes: {table: raw/outcomes}}
  maturity: 1d
features: ["order_facts:size", "order_facts:kind", "order_facts:rush"]
training:
  window: 365d
  min_rows: 100
  candidates: {%(grid)s}
evaluation: {window: 10d, min_rows: 100}
seed: 7
gate: [{check: baseline}, {check: metric_gain, resamples: 500}]
scoring: {schedule: "0 0 * * *", at: start}
monitoring: {sample: 100}
"""
ESTIMATOR = """
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

NUMBERS = ["order_facts__size", "order_facts__rush"]


def build(params):
    columns = ColumnTransformer(
        [("kind", OneHotEncoder(handle_unknown="ignore"), ["order_facts__kind"]), ("numbers", SimpleImputer(), NUMBERS)]
    )
    return Pipeline([("columns", columns), ("model", %s(**params))])
"""
TREES = """
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build(params):
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("kind", encoder, ["order_facts__kind"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("trees", HistGradientBoostingClassifier(max_iter=15, **params))])
"""


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a real tracking store and registry, empty at the start of the session."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", (folder / "artifacts").as_uri())
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory, mlflow_store: str) -> Path:
    """Give the file of a registry in which nothing was ever registered, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    assert Registry(f"sqlite:///{path}").models() == []
    return path


@dataclass(frozen=True)
class Shop:
    """A small world: 40 days of 60 orders, whose outcome depends on size and kind, and is known a day later."""

    definitions: Definitions
    lake: Lake
    settings: Settings
    run: Run

    @property
    def source(self) -> dict[str, Any]:
        return {"definitions": self.definitions, "lake": self.lake, "settings": self.settings}

    def stage(self, model: Model, as_of: datetime = NOW, *, seed: int = 1) -> TrainingSet:
        """Stage rows made by hand as the training set of ``as_of``."""
        span = Interval(FIRST, as_of - model.evaluation.window)
        rows = feature_set(span.start, span.end, seed=seed)
        return stage(model, rows, span, as_of=as_of, settings=self.settings, run=self.run)

    def train(self, model: Model, as_of: datetime = NOW, *, seed: int = 1) -> Registered:
        """Register a challenger from rows made by hand."""
        staged = self.stage(model, as_of, seed=seed)
        fitted = [
            fit_candidate(model, staged, index, settings=self.settings, run=self.run)
            for index in range(len(model.training.grid()))
        ]
        return register_challenger(model, staged, fitted, settings=self.settings, run=self.run)

    def compare(self, model: Model, rows: FeatureSet | None = None, **which: Any) -> Comparison:
        """Compare on rows made by hand, by default the newest matured ones."""
        present = resolve(model, self)
        planned = plan(model, present=present, settings=self.settings, **which)
        if planned.problem:
            return planned
        found = rows or feature_set(planned.start, planned.as_of - model.label.maturity)
        return score_both(model, planned, found, settings=self.settings)

    @staticmethod
    def rows(start: datetime, end: datetime, *, seed: int = 1) -> FeatureSet:
        return feature_set(start, end, seed=seed)

    def judge(self, model: Model, **which: Any) -> Verdict:
        return evaluate_gate(model, self.compare(model, **which), settings=self.settings)

    def settle(self, model: Model, verdict: Verdict) -> LedgerRow:
        return settle(model, verdict, lake=self.lake, settings=self.settings, run=self.run)

    def model(self, task: str = "binary_classification", **changes: Any) -> Model:
        """Return a model of a name of its own, so that no two tests meet in MLflow or the ledger."""
        kind = "churn" if task == "binary_classification" else "amount"
        name = f"{kind}_{next(_numbers)}"
        return self.definitions.model(kind).model_copy(update={"name": name, **changes})

    def trees(self, **changes: Any) -> Model:
        """Return a classification of a name of its own whose estimator is trees, which can be explained."""
        model = self.model(**changes)
        found = model.model_copy(update={"training": model.training.model_copy(update={"candidates": {}})})
        found._files = {**model._files, "estimator.py": TREES}
        return found


def resolve(model: Model, shop: Shop) -> str | None:
    return repair(model, lake=shop.lake, settings=shop.settings)


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _definitions(root: Path) -> Definitions:
    orders = "{order_id: int64, due: timestamp, size: float64, kind: string, rush: bool}"
    outcomes = "{order_id: int64, done: timestamp, churned: int64, amount: float64}"
    population = (
        "SELECT order_id, due AS prediction_time FROM orders WHERE due >= $interval_start AND due < $interval_end"
    )
    files = {
        "sources/orders/source.yaml": SOURCE.format(name="orders", columns=orders, event_time="interval_start"),
        "sources/outcomes/source.yaml": SOURCE.format(name="outcomes", columns=outcomes, event_time="done"),
        "features/order_facts/view.yaml": VIEW,
        "features/order_facts/view.sql": "SELECT order_id, event_time, known_at, size, kind, rush FROM orders",
    }
    regression = {"name": "amount", "task": "regression", "grid": "alpha: [0.1, 10.0]"}
    classes = {"name": "churn", "task": "binary_classification", "grid": "C: [0.01, 1.0]"}
    for values, label, kind in ((classes, "churned", "LogisticRegression"), (regression, "amount", "Ridge")):
        folder = f"models/{values['name']}"
        files |= {
            f"{folder}/model.yaml": MODEL % values,
            f"{folder}/population.sql": population,
            f"{folder}/label.sql": f"SELECT order_id, {label} AS label, known_at FROM outcomes",
            f"{folder}/estimator.py": ESTIMATOR % kind,
        }
    _write(root, files)
    return load_definitions(root)


def shop_rows(seed: int = 1) -> pa.Table:
    """Return every order with its outcome, drawn from ``seed``."""
    chance = np.random.default_rng(seed)
    number = DAYS * PER_DAY
    size, kind = chance.normal(size=number), chance.choice(["a", "b", "c"], number)
    strength = size + np.where(kind == "a", 1.0, -0.5)
    due = [FIRST + timedelta(days=index // PER_DAY) for index in range(number)]
    return pa.table(
        {
            "order_id": pa.array(range(number), pa.int64()),
            "due": pa.array(due, pa.timestamp("us", tz="UTC")),
            "size": pa.array(np.where(chance.random(number) < 0.02, np.nan, size), from_pandas=True),
            "kind": pa.array(
                [None if missing else word for word, missing in zip(kind, chance.random(number) < 0.02, strict=True)]
            ),
            "rush": pa.array(chance.random(number) < 0.3),
            "churned": pa.array((chance.random(number) < 1 / (1 + np.exp(-strength))).astype(int), pa.int64()),
            "amount": pa.array(10 + 3 * strength + chance.normal(size=number)),
        }
    )


def fill_lake(definitions: Definitions, lake: Lake, settings: Settings, rows: pa.Table) -> None:
    """Publish each day's orders the day before they are due, and their outcomes the day after."""
    import pyarrow.compute as pc

    run = Run.local()
    for day in range(-1, DAYS):
        interval = Interval(FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1))
        begin, end = (pa.scalar(each, pa.timestamp("us", tz="UTC")) for each in (interval.start, interval.end))
        coming = rows.filter(pc.equal(rows["due"], end))
        past = rows.filter(pc.equal(rows["due"], begin))
        _put(lake, definitions, "orders", interval, coming, {"event_time": begin, "known_at": end}, run)
        _put(lake, definitions, "outcomes", interval, past.append_column("done", past["due"]), {"known_at": end}, run)
        materialise(
            definitions.view("order_facts"), interval, definitions=definitions, lake=lake, settings=settings, run=run
        )


def _put(
    lake: Lake,
    definitions: Definitions,
    name: str,
    interval: Interval,
    rows: pa.Table,
    times: dict[str, pa.Scalar],
    run: Run,
) -> None:
    if name == "outcomes":
        times = {"event_time": None, **times}
    for column, value in times.items():
        values = rows["done"] if value is None else pa.repeat(value, rows.num_rows)
        rows = rows.append_column(column, values)
    schema = definitions.source(name).table_schema
    table = rows.select(schema.names).cast(schema)
    lake.table(f"raw/{name}").write(interval, table, provenance=Provenance(run=run))


def feature_set(start: datetime, end: datetime, *, seed: int = 1) -> FeatureSet:
    """Return the rows that the library would make of the shop's orders due in ``[start, end)``, made by hand."""
    import pyarrow.compute as pc

    moment = pa.timestamp("us", tz="UTC")
    rows = shop_rows(seed)
    keep = pc.and_(
        pc.greater_equal(rows["due"], pa.scalar(start, moment)), pc.less(rows["due"], pa.scalar(end, moment))
    )
    rows = rows.filter(keep)
    known = pa.array([due + timedelta(days=1) for due in rows["due"].to_pylist()], moment)
    names = {
        "order_id": "order_id",
        "due": "prediction_time",
        **{n: f"order_facts__{n}" for n in ("size", "kind", "rush")},
    }
    features = rows.select(list(names)).rename_columns(list(names.values()))
    found = features.append_column("label", rows["churned"].cast(pa.float64())).append_column("label_known_at", known)
    return FeatureSet(found, {"raw/orders": 3, "raw/outcomes": 4}, digest_rows(found).hex)


@pytest.fixture(scope="session")
def shop_definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    return _definitions(tmp_path_factory.mktemp("definitions") / "include")


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory, shop_definitions: Definitions) -> Path:
    """Give a project folder whose lake holds the shop's 40 days, built once a session."""
    root = tmp_path_factory.mktemp("stocked")
    settings = Settings(project=root, home=root / "home")
    fill_lake(shop_definitions, Lake.from_settings(settings), settings, shop_rows())
    return root


def _open(definitions: Definitions, root: Path, store: str) -> Shop:
    settings = Settings(project=root, home=root / "home", mlflow_tracking_uri=store)
    run = Run(dag_id="shop", run_id="manual", task_id="task", by="tester")
    return Shop(definitions, Lake.from_settings(settings), settings, run)


@pytest.fixture
def shop(shop_definitions: Definitions, tmp_path: Path, mlflow_store: str) -> Shop:
    """Give the shop with an empty lake of the test's own, and the session's MLflow store."""
    return _open(shop_definitions, tmp_path, mlflow_store)


@pytest.fixture(scope="session")
def three_versions(
    shop_definitions: Definitions, tmp_path_factory: pytest.TempPathFactory, mlflow_store: str
) -> tuple[Model, list[str]]:
    """Give a model with three registered versions, trained once a session; which is champion is each test's matter."""
    shop = _open(shop_definitions, tmp_path_factory.mktemp("three"), mlflow_store)
    model = shop.model()
    return model, [shop.train(model, NOW - timedelta(days=days)).version for days in (4, 2, 0)]


@pytest.fixture
def stocked_shop(shop_definitions: Definitions, stocked: Path, mlflow_store: str) -> Shop:
    """Give the shop with its 40 days in the lake; the lake is the session's, so add nothing but ledger rows."""
    return _open(shop_definitions, stocked, mlflow_store)


@pytest.fixture(scope="session")
def tree_champion(shop_definitions: Definitions, stocked: Path, mlflow_store: str) -> Model:
    """Give a model whose champion is trees, in the lake of ``stocked_shop``; trained once a session."""
    shop = _open(shop_definitions, stocked, mlflow_store)
    model = shop.trees()
    shop.train(model)
    assert shop.settle(model, shop.judge(model)).action == "promoted"
    return model


@dataclass(frozen=True)
class History:
    """Writes what months of running would, by hand and in milliseconds: decisions, predictions, monitoring."""

    lake: Lake

    def decided(self, model: Model, action: str, version: str, *, by: str = "ada", **more: Any) -> LedgerRow:
        """Write a decision about ``version`` with a small verdict."""
        reason = more.pop("reason", "metric_gain passed: it is better.")
        check = {"name": "metric_gain", "outcome": "passed", "sentence": reason, "numbers": more.pop("numbers", {})}
        document = {
            "challenger": version,
            "champion": None,
            "outcome": "accepted",
            "reason": reason,
            "decided_at": "2013-01-20T00:00:00Z",
            "comparison": {"rows": 1200, "run_id": "r"},
            "checks": [check, *more.pop("checks", ())],
        }
        written = {"verdict": document, "verdict_digest": f"digest of {version}", **more}
        changes = action in ("promoted", "rolled_back")
        entry = Entry(action, reason, by, "shop/run", version if changes else None, version, NOW, **written)
        return append(model, lake=self.lake, run=Run.local(), decide=lambda _: entry)

    def scored(self, model: Model, day: int, rows: int = 60) -> None:
        """Write predictions of a day, counted from the shop's first one."""
        interval, number = _day(day), pa.array(range(rows), pa.int64())
        when = pa.repeat(pa.scalar(interval.start, pa.timestamp("us", tz="UTC")), rows)
        columns = {"order_id": number, "prediction_time": when, "score": pa.array([0.5] * rows, pa.float64())}
        self.lake.table(model.table).write(interval, pa.table(columns), provenance=Provenance(run=Run.local()))

    def watched(
        self,
        model: Model,
        day: int,
        *,
        version: str = "1",
        drift: dict[str, float] | None = None,
        loss: float | None = 0.6,
        alarms: tuple[str, ...] = (),
        note: str = "",
    ) -> None:
        """Write what monitoring found in the week that ends with a day; drift above 0.2 is beyond its bound."""
        interval = _day(day)
        found = [
            Measurement("drift", name, "normed Wasserstein", value, 0.2, value > 0.2, 400, 400)
            for name, value in (drift or {}).items()
        ]
        judged = loss is not None
        found.append(Measurement("performance", "log_loss", "mean", loss, 0.7, judged and loss > 0.7, 300, 400))
        found.append(Measurement("performance", "labels", "label_share", 0.98, 0.5, False, 300, 0))
        if note:
            found.append(Measurement("performance", "window", "count", 3.0, None, False, 3, 0, note))
        kinds = ("data_quality", "drift", "prediction_drift", "performance")
        found += [Measurement("verdict", kind, "share", 1.0, None, kind in alarms, 9, 9) for kind in kinds]
        found.append(Measurement("decision", "retrain", "policy", 0.0, None, bool(alarms), 9, 0, "Nothing."))
        start = interval.end - timedelta(days=7)
        when = {"window_start": start, "window_end": interval.end, "event_time": interval.start}
        more = {**when, "known_at": interval.end, "model_version": version}
        rows = pa.Table.from_pylist([{**each.as_dict(), **more} for each in found], schema=monitoring_schema())
        self.lake.table(model.monitoring_table).write(interval, rows, provenance=Provenance(run=Run.local()))


def _day(number: int) -> Interval:
    return Interval(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


@pytest.fixture
def history(shop: Shop) -> History:
    """Give a writer of history for the test's own lake."""
    return History(shop.lake)


@pytest.fixture(scope="session")
def watched(shop_definitions: Definitions, stocked: Path, mlflow_store: str) -> tuple[Shop, Model]:
    """Give the stocked shop with a model whose first champion stands at day 20, and the days 20 to 34 scored."""
    from slipstream.scoring import score

    shop = _open(shop_definitions, stocked, mlflow_store)
    model = shop.model()
    shop.train(model, FIRST + timedelta(days=20))
    assert shop.settle(model, shop.judge(model)).action == "promoted"
    for day in range(20, 35):
        start = FIRST + timedelta(days=day)
        score(model, Interval(start, start + timedelta(days=1)), run=shop.run, **shop.source)
    return shop, model
