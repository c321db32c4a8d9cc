"""A shop with customers, one of whom asks to be forgotten: rows in every kind of table, in old versions, in MLflow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import Definitions, load_definitions
from slipstream.features import materialise
from slipstream.ingestion import ingest
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Provenance, Run
from slipstream.settings import Settings

CANARY = "zz-canary-7f3a9"  # the last of the customers by name, so that it is a largest value, too
FIRST, DAYS, FEW_DAYS, PER_DAY = utc("2013-01-01"), 16, 5, 25
RUN = Run(dag_id="shop", run_id="manual", task_id="task", by="tester")
SUBJECT = f"customer={CANARY}"
INGESTED = (3, 9)  # days that are ingested from landed files, with a bad row of the customer in each
MINE = 7  # of each day's orders, the one of the customer

FILES = {
    "sources/orders/source.yaml": """
name: orders
description: Orders of a small shop.
schedule: "0 0 * * *"
start: 2012-12-31
connector: {type: files, path: "orders/{start:%Y-%m-%d}*.csv", format: csv}
columns:
  order_id: int64
  customer: {type: string, personal: true}
  due: timestamp
  size: float64
  kind: {type: string, required: true}
key: [order_id]
event_time: interval_start
subject_key: customer
""",
    "sources/outcomes/source.yaml": """
name: outcomes
description: What became of the orders.
schedule: "0 0 * * *"
start: 2012-12-31
connector: {type: files, path: "outcomes/{start:%Y-%m-%d}.csv", format: csv}
columns: {order_id: int64, done: timestamp, churned: int64}
key: [order_id]
event_time: done
subject_key: order_id
""",
    "sources/planes/source.yaml": """
name: planes
description: Something else whose numbers look like those of orders.
schedule: "0 0 * * *"
start: 2012-12-31
connector: {type: files, path: "planes/{start:%Y-%m-%d}.csv", format: csv}
columns: {order_id: int64, customer: string}
key: [order_id]
event_time: interval_start
""",
    "features/order_facts/view.yaml": """
name: order_facts
description: What is known of an order.
schedule: "0 0 * * *"
start: 2012-12-31
entity: [order_id]
inputs: {orders: {table: raw/orders}}
features:
  size: {type: float64, description: Size of the order.}
  kind: {type: string, description: Kind of the order.}
""",
    "features/order_facts/view.sql": "SELECT order_id, event_time, known_at, size, kind FROM orders",
    "features/customer_facts/view.yaml": """
name: customer_facts
description: What is known of a customer.
schedule: "0 0 * * *"
start: 2012-12-31
entity: [customer]
inputs: {orders: {table: raw/orders}}
features: {largest: {type: float64, description: Largest order of the day.}}
""",
    "features/customer_facts/view.sql": (
        "SELECT customer, max(event_time) AS event_time, max(known_at) AS known_at, max(size) AS largest "
        "FROM orders GROUP BY customer"
    ),
    "features/totals/view.yaml": """
name: totals
description: All orders of a day together.
schedule: "0 0 * * *"
start: 2012-12-31
entity: [shop]
inputs: {orders: {table: raw/orders}}
features: {orders: {type: int64, description: How many.}}
""",
    "features/totals/view.sql": (
        "SELECT 'here' AS shop, max(event_time) AS event_time, max(known_at) AS known_at, count(*) AS orders "
        "FROM orders"
    ),
    "models/churn_of_orders/model.yaml": """
name: churn_of_orders
purpose: A small model for tests.
task: binary_classification
start: 2013-01-01
key: [order_id, customer]
population: {inputs: {orders: {table: raw/orders, lookback: 1d}}}
label: {inputs: {outcomes: {table: raw/outcomes}}, maturity: 1d}
features: ["order_facts:size", "order_facts:kind", "customer_facts:largest"]
training: {window: 365d, min_rows: 100, candidates: {max_depth: [2]}}
evaluation: {window: 4d, min_rows: 50}
seed: 7
gate: [{check: baseline}]
scoring: {schedule: "0 0 * * *", at: start, explain: {rows: all}}
monitoring: {sample: 400, min_rows: 20, window: 1d, noise_quantile: 0}
""",
    "models/churn_of_orders/population.sql": (
        "SELECT order_id, customer, due AS prediction_time FROM orders "
        "WHERE due >= $interval_start AND due < $interval_end"
    ),
    "models/churn_of_orders/label.sql": (
        "SELECT o.order_id, c.customer, o.churned AS label, o.known_at FROM outcomes o JOIN orders c USING (order_id)"
    ),
    "models/churn_of_orders/estimator.py": """
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build(params):
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("kind", encoder, ["order_facts__kind"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("trees", HistGradientBoostingClassifier(max_iter=10, **params))])
""",
}
FILES["models/churn_of_orders/model.yaml"] = FILES["models/churn_of_orders/model.yaml"].replace(
    "{inputs: {outcomes: {table: raw/outcomes}}",
    "{inputs: {outcomes: {table: raw/outcomes}, orders: {table: raw/orders, lookback: 2d}}",
)


@dataclass(frozen=True)
class World:
    """The shop: its definitions, its lake, and where they lie."""

    definitions: Definitions
    lake: Lake
    settings: Settings

    @property
    def source(self) -> dict[str, Any]:
        return {"definitions": self.definitions, "lake": self.lake, "settings": self.settings}

    @property
    def root(self) -> Path:
        return self.settings.project

    def land(self, day: int, *, bad: bool = True) -> None:
        """Send a day's orders as a file, with a row of the customer that is no good row."""
        lines = ["order_id,customer,due,size,kind"]
        lines += [",".join("" if each is None else str(each) for each in row.values()) for row in orders_of(day)]
        if bad:
            lines.append(f"{90_000 + day},{CANARY},2013-01-05,1.5,")  # it has no kind
            lines.append(f"{80_000 + day},bob,2013-01-05,1.5,")
        path = Path(self.settings.landing) / "orders" / f"{interval(day).start:%Y-%m-%d}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def ingest(self, day: int) -> Any:
        return ingest(self.definitions.source("orders"), interval(day), lake=self.lake, settings=self.settings, run=RUN)

    def rows(self, table: str, **which: Any) -> list[dict[str, Any]]:
        return self.lake.table(table).read(**which).to_pylist()

    def bytes_with(self, *places: Path, text: str = CANARY) -> list[str]:
        """Return every file below ``places`` that has the text: in its bytes, or in the rows of a Parquet file."""
        found = []
        for path in (each for place in places for each in sorted(place.rglob("*")) if each.is_file()):
            content = path.read_bytes()
            if text.encode() in content or text in parquet_text(path, content):
                found.append(str(path))
        return found


def parquet_text(path: Path, content: bytes) -> str:
    import pyarrow.parquet as pq

    return str(pq.read_table(pa.BufferReader(content)).to_pylist()) if content[:4] == content[-4:] == b"PAR1" else ""


def interval(day: int) -> Interval:
    """Return the interval in which the orders that are due on ``day`` (from 0) become known: the day before."""
    start = FIRST + timedelta(days=day - 1)
    return Interval(start, start + timedelta(days=1))


def orders_of(day: int) -> list[dict[str, Any]]:
    chance = np.random.default_rng(day)
    due = FIRST + timedelta(days=day)
    return [
        {
            "order_id": day * 100 + number,
            "customer": CANARY if number == MINE else f"customer {number}",
            "due": f"{due:%Y-%m-%dT%H:%M:%SZ}",
            "size": float(round(chance.normal(), 3)),
            "kind": str(chance.choice(["a", "b", "c"])),
        }
        for number in range(PER_DAY)
    ]


def fill(world: World, days: int) -> None:
    """Fill the tables of sources and views; most batches are written as ingestion would.

    The last day's batch was sent again without the customer, so that only an old version has its row.
    """
    schema = world.definitions.source("orders").table_schema
    for day in range(days):
        when = interval(day)
        times = {"event_time": when.start, "known_at": when.end}
        rows = [{**row, "due": utc(row["due"]), **times} for row in orders_of(day)]
        if day in INGESTED:
            world.land(day)
            world.ingest(day)
        else:
            write(world, "orders", when, pa.Table.from_pylist(rows, schema=schema))
        done = [
            {
                "order_id": row["order_id"],
                "done": row["due"],
                "churned": int(row["size"] + 0.3 * (row["kind"] == "a") > 0.2),
                "event_time": row["due"],
                "known_at": when.end + timedelta(days=1),
            }
            for row in rows
        ]
        outcomes = pa.Table.from_pylist(done, schema=world.definitions.source("outcomes").table_schema)
        write(world, "outcomes", interval(day + 1), outcomes)
    write(world, "outcomes", interval(0), outcomes.slice(0, 0))
    write(world, "outcomes", interval(days + 1), outcomes.slice(0, 0))
    write(world, "orders", interval(days), pa.Table.from_pylist([], schema=schema))
    write(world, "orders", interval(days - 1), pa.Table.from_pylist(rows[:3], schema=schema))
    planes = world.definitions.source("planes").table_schema
    row = {"order_id": MINE, "customer": "an aeroplane", "event_time": FIRST, "known_at": FIRST}
    write(world, "planes", interval(0), pa.Table.from_pylist([row], schema=planes))
    for name, number in {"order_facts": days, "customer_facts": days, "totals": 2}.items():
        for day in range(number):
            materialise(world.definitions.view(name), interval(day), run=RUN, **world.source)
    world.lake.table("features/order_facts").compact()


def write(world: World, source: str, when: Interval, rows: pa.Table) -> None:
    world.lake.table(f"raw/{source}").write(when, rows, provenance=Provenance(run=RUN))


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give definitions and a small lake of sources and views, made once a session."""
    return make(tmp_path_factory.mktemp("erasure"), FEW_DAYS)


def make(root: Path, days: int) -> Path:
    for name, text in FILES.items():
        path = root / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    fill(open_world(root, ""), days)
    return root


def open_world(root: Path, store: str) -> World:
    settings = Settings(project=root, home=root / "home", mlflow_tracking_uri=store)
    return World(load_definitions(root / "include"), Lake.from_settings(settings), settings)


@pytest.fixture
def world(shop_folder: Path, tmp_path: Path) -> World:
    """Give a test a shop of its own, without models."""
    shutil.copytree(shop_folder, tmp_path / "shop")
    return open_world(tmp_path / "shop", "")


@pytest.fixture
def erase(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run ``slipstream erase`` in a world."""
    return runner(monkeypatch)


def runner(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    from typer.testing import CliRunner

    from slipstream.cli.common import console
    from slipstream.cli.main import app
    from slipstream.settings import get_settings

    def run(world: World, *words: str, command: str = "erase", input: str | None = None) -> Any:
        for name, value in environment(world).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(console, "width", 160)
        get_settings.cache_clear()
        try:
            return CliRunner().invoke(app, [command, *words], input=input)
        finally:
            get_settings.cache_clear()

    return run


def environment(world: World) -> dict[str, str]:
    values = {
        "PROJECT": world.settings.project,
        "HOME": world.settings.home,
        "DEFINITIONS": world.definitions.root,
        "MLFLOW_TRACKING_URI": world.settings.mlflow_tracking_uri,
    }
    return {f"SLIPSTREAM_{name}": str(value) for name, value in values.items()}


KILLED = """
import json, os, signal, sys
from pathlib import Path
from slipstream.definitions import load_definitions
from slipstream.erasure import erase, prepare, running
from slipstream.lake import Lake, Run
from slipstream.settings import Settings

root, store, value, *steps = sys.argv[1:]
if store:
    import mlflow

def die_after(step):
    def reached(name):
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)
    settings = Settings(project=root, home=Path(root) / "home", mlflow_tracking_uri=store)
    source = {"lake": Lake.from_settings(settings), "settings": settings}
    source["definitions"] = load_definitions(Path(root) / "include")
    running.reached = reached
    erase(prepare("customer", value, **source), reason="ticket 7", run=Run.local(), **source)

signals = []
for step in steps:  # nothing has been opened yet in this process, so that a child is as good as a new one
    child = os.fork()
    if not child:
        try:
            die_after(step)
        finally:
            os._exit(1)
    signals.append(os.WTERMSIG(os.waitpid(child, 0)[1]))
print(json.dumps(signals))
"""


def kill_after(world: World, steps: Sequence[str]) -> list[int]:
    """Erase the customer in a process a step, each killed after it; return the signals that ended them."""
    words = [sys.executable, "-c", KILLED, str(world.root), world.settings.mlflow_tracking_uri, CANARY, *steps]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found
