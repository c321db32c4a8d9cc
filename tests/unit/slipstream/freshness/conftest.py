"""A kiosk: one source whose files are really ingested, a view that looks back, a view of that view, and a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.definitions import Definitions, Model, load_definitions
from slipstream.features import Needed, materialise, model_inputs
from slipstream.features.inputs import contents, merge, pin
from slipstream.freshness import Gap, Stale, find_gaps, find_stale
from slipstream.freshness.reading import was_read, watched_models
from slipstream.ingestion import ingest
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Provenance, Run
from slipstream.promotion.history import Entry, append
from slipstream.settings import Settings

FIRST, DAYS = utc("2013-03-01"), 6
TREND = """
SELECT shop, $interval_start AS event_time, $interval_end AS known_at, sum(amount) AS total
FROM sales GROUP BY shop
"""
SOURCE = """
name: sales
description: What a kiosk sold.
schedule: "0 0 * * *"
start: 2013-03-01
connector: {type: files, path: "sales/{start:%Y-%m-%d}.csv", format: csv}
columns: {order_id: int64, shop: string, amount: {type: float64, required: true}}
key: [order_id]
event_time: interval_start
"""
VIEW = """
name: %(name)s
description: %(name)s of a shop.
schedule: "0 0 * * *"
start: 2013-03-01
entity: [shop]
inputs: {%(input)s}
ttl: 2d
features: {total: {type: float64, description: Sum of sales.}}
"""
MODEL = """
name: visits
purpose: A model for tests.
task: regression
start: 2013-03-01
key: [order_id]
population: {inputs: {sales: {table: raw/sales, lookback: 1d}}}
label: {inputs: {sales: {table: raw/sales}}, maturity: 1d}
features: ["share:total"]
seed: 1
gate: [{check: baseline, min_gain: %(gain)s}]
scoring: {schedule: "0 0 * * *", at: start}
monitoring: {window: 2d}
"""


def day(number: int) -> Interval:
    """Return the day ``number`` of the kiosk, from 0."""
    return Interval(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


@dataclass
class Kiosk:
    """The kiosk's files and lake; every stage but the model's is the real one."""

    settings: Settings
    lake: Lake
    run: Run

    def define(self, *, trend: str = TREND, population: str = "", gain: float = 0.0) -> Definitions:
        """Write the definitions as files and load them."""
        inputs = {
            "trend": "sales: {table: raw/sales, lookback: 2d}",
            "share": "trend: {table: features/trend}",
        }
        files = {"sources/sales/source.yaml": SOURCE}
        for name, text in inputs.items():
            files[f"features/{name}/view.yaml"] = VIEW % {"name": name, "input": text}
        files |= {
            "features/trend/view.sql": trend,
            "features/share/view.sql": "SELECT * FROM trend",
            "models/visits/model.yaml": MODEL % {"gain": gain},
            "models/visits/population.sql": population
            or "SELECT order_id, shop, $interval_start AS prediction_time FROM sales",
            "models/visits/label.sql": "SELECT order_id, amount AS label, known_at FROM sales",
            "models/visits/estimator.py": "def build(params): ...\n",
        }
        for name, text in files.items():
            path = self.settings.definitions / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return load_definitions(self.settings.definitions)

    def send(self, number: int, *amounts: Any) -> None:
        """Put the file of a day into the landing folder, in place of the one that is there."""
        path = Path(self.settings.landing) / "sales" / f"{day(number).start:%Y-%m-%d}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{100 * number + position},a,{amount}" for position, amount in enumerate(amounts)]
        path.write_text("\n".join(["order_id,shop,amount", *rows]) + "\n", encoding="utf-8")

    def ingest(self, definitions: Definitions, number: int, *amounts: Any) -> None:
        """Send a day's file and ingest it."""
        self.send(number, *amounts)
        ingest(definitions.source("sales"), day(number), lake=self.lake, settings=self.settings, run=self.run)

    def make(self, definitions: Definitions, table: str, *numbers: int, score: float = 1.0) -> None:
        """Make days of a view; of the model by hand, with the provenance that the real stages write."""
        kind, _, name = table.partition("/")
        source: dict[str, Any] = {"definitions": definitions, "lake": self.lake}
        for number in numbers:
            if kind == "features":
                materialise(definitions.view(name), day(number), settings=self.settings, run=self.run, **source)
            elif kind == "predictions":
                self._score(definitions.model(name), number, score, definitions)
            else:
                self._watch(definitions, table, number)

    def crown(self) -> None:
        """Let version 1 be champion from day 1 on."""
        entry = Entry(action="promoted", version="1", reason="the first", by="tester", run_id="t/1", as_of=day(1).start)
        append("visits", lake=self.lake, run=self.run, decide=lambda _: entry)

    def make_all(self, definitions: Definitions) -> None:
        """Ingest every day, and make all that follows, in order."""
        for number in range(DAYS):
            self.ingest(definitions, number, 1.0, 2.0)
        self.make(definitions, "features/trend", *range(DAYS))
        self.make(definitions, "features/share", *range(DAYS))
        self.crown()
        self.make(definitions, "predictions/visits", *range(1, DAYS))
        self.make(definitions, "monitoring/visits", *range(1, DAYS))

    def stale(self, definitions: Definitions) -> list[Stale]:
        return find_stale(definitions=definitions, lake=self.lake)

    def days(self, found: list[Stale], table: str, *, already: bool = True) -> list[int]:
        """Return which days of a table are stale, or will be."""
        chosen = [each.interval for each in found if each.table == table and each.already is already]
        return [(interval.start - FIRST).days for interval in chosen]

    def gaps(self, definitions: Definitions, now: str, **how: Any) -> list[Gap]:
        return find_gaps(definitions=definitions, lake=self.lake, settings=self.settings, now=utc(now), **how)

    def _score(self, model: Model, number: int, score: float, definitions: Definitions) -> None:
        needed = model_inputs(model, day(number), definitions=definitions)
        rows = pa.table({"order_id": [number], "score": [score]})
        self._write(model.table, number, rows, needed, model.scoring_digest)

    def _watch(self, definitions: Definitions, table: str, number: int) -> None:
        everything = [*definitions.sources.values(), *definitions.views.values(), *definitions.models.values()]
        needed = merge(
            was_read(
                definitions,
                table,
                day(number),
                {each.table for each in everything},
                watched_models(definitions, self.lake),
            )
        )
        scored = self.lake.table("predictions/visits").read(end=day(number).end)
        rows = pa.table({"value": [float(scored.num_rows)], "score": [sum(scored["score"].to_pylist())]})
        self._write(table, number, rows, needed, definitions.model("visits").digest)

    def _write(self, table: str, number: int, rows: pa.Table, needed: list[Needed], definition: str) -> None:
        versions = pin(self.lake, needed)
        reads = contents(self.lake, needed, versions)
        provenance = Provenance(run=self.run, inputs=versions, definition=definition, reads=reads)
        self.lake.table(table).write(day(number), rows, provenance=provenance)


@pytest.fixture
def kiosk(tmp_path: Path) -> Kiosk:
    settings = Settings(project=tmp_path, home=tmp_path / "home", definitions=tmp_path / "include", threads=2)
    return Kiosk(settings, Lake.from_settings(settings), Run.local("tester"))
