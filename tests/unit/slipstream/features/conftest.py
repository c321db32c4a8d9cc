"""A small town of shops: sources of three cadences, views over them and over each other, one model."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.definitions import Definitions, Model, load_definitions
from slipstream.features import FeatureSet, Materialised, materialise, population_set
from slipstream.intervals import Interval, utc
from slipstream.lake import Commit, Lake, Provenance, Run
from slipstream.settings import Settings

FIRST, DAYS = utc("2013-03-08"), 5  # clocks change in New York on 10 March
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

SOURCE = """
name: {name}
description: {name} of a town.
schedule: "{cron}"
start: {start}
connector: {{type: files, path: "{name}/{{start:%Y-%m-%dT%H}}.csv", format: csv}}
columns: {columns}
key: [{key}]
event_time: {event_time}
known_at: {known_at}
"""
VIEW = """
name: {name}
description: {name} of a shop.
schedule: "{cron}"
start: {start}
entity: [shop]
inputs: {inputs}
{more}
features: {features}
"""
MODEL = """
name: sales
purpose: A model for tests.
task: regression
start: 2013-03-08
key: [order_id]
population:
  inputs: {{orders: {{table: raw/orders, lookback: 2d}}}}
label:
  inputs: {{outcomes: {{table: raw/outcomes}}}}
  maturity: {maturity}
features: {features}
keys: {{price: {{shop: place}}, size: {{shop: place}}}}
training: {{window: 100d}}
evaluation: {{window: 1d}}
seed: 1
gate: [{{check: baseline}}]
scoring: {{schedule: "{scoring}", at: {at}}}
"""
POPULATION = (
    "SELECT order_id, shop AS place, due AS prediction_time FROM orders "
    "WHERE due >= $interval_start AND due < $interval_end"
)
# A view that looks back sees the same price again in each of its intervals, under the same times.
PRICE_SQL = "SELECT shop, event_time, known_at, price FROM prices"


@dataclass
class Town:
    """Its definitions, written as files, and its lake."""

    root: Path
    settings: Settings
    lake: Lake

    def define(
        self,
        *,
        views: str = "0 0 * * *",
        scoring: str = "0 0 * * *",
        at: str = "start",
        features: str = '["price:price", "size:size"]',
        maturity: str = "1d",
        population: str = POPULATION,
        label: str = "SELECT order_id, value AS label, known_at FROM outcomes",
        price: str = PRICE_SQL,
        ttl: str = "ttl: 2d",
        start: str = "2013-03-08",
        more: dict[str, str] | None = None,
    ) -> Definitions:
        sources = {
            "orders": ("0 0 * * *", "{order_id: int64, shop: string, due: timestamp, placed: timestamp}", "order_id"),
            "prices": ("0 */6 * * *", "{shop: string, at: timestamp, sent: timestamp, price: float64}", "shop"),
            "outcomes": ("0 0 * * *", "{order_id: int64, done: timestamp, value: float64}", "order_id"),
            "register": ("0 0 1 1 *", "{shop: string, size: int64}", "shop"),
        }
        times = {
            "orders": ("placed", "placed"),
            "prices": ("at", "sent"),
            "outcomes": ("done", "done"),
            "register": ("interval_start", "interval_end"),
        }
        files = {
            f"sources/{name}/source.yaml": SOURCE.format(
                name=name,
                cron=cron,
                columns=columns,
                key=key,
                event_time=times[name][0],
                known_at=times[name][1],
                start="2012-01-01" if name == "register" else "2013-03-06",
            )
            for name, (cron, columns, key) in sources.items()
        }
        given = {
            "price": ("{prices: {table: raw/prices, lookback: 6h}}", price, views, start, ttl),
            "size": ("{register: {table: raw/register}}", "SELECT * FROM register", "0 0 1 1 *", "2012-01-01", ""),
        }
        for name, (inputs, sql, cron, begin, extra) in given.items():
            kind = "{price: {type: float64, description: Price.}}"
            if name == "size":
                kind = "{size: {type: int64, description: Size.}}"
            text = VIEW.format(name=name, cron=cron, start=begin, inputs=inputs, more=extra, features=kind)
            files |= {f"features/{name}/view.yaml": text, f"features/{name}/view.sql": sql}
        files |= {
            "models/sales/model.yaml": MODEL.format(features=features, maturity=maturity, scoring=scoring, at=at),
            "models/sales/population.sql": population,
            "models/sales/label.sql": label,
            "models/sales/estimator.py": "def build(params): ...\n",
            **(more or {}),
        }
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return load_definitions(self.root)

    def put(self, definitions: Definitions, name: str, interval: Interval, rows: list[dict[str, Any]]) -> Commit:
        """Write an interval of a source; times that the source takes from the interval or a column are filled in."""
        source = definitions.source(name)
        bounds = {"interval_start": interval.start, "interval_end": interval.end}
        whole = [
            {
                **row,
                **{
                    t: bounds.get(c) or row[c] for t, c in zip(TIMES, (source.event_time, source.known_at), strict=True)
                },
            }
            for row in rows
        ]
        table = pa.Table.from_pylist(whole, schema=source.table_schema)
        return self.lake.table(source.table).write(interval, table, provenance=Provenance(run=Run.local()))

    def make(self, definitions: Definitions, view: str, interval: Interval) -> Materialised:
        return materialise(
            definitions.view(view),
            interval,
            definitions=definitions,
            lake=self.lake,
            settings=self.settings,
            run=Run.local(),
        )

    def make_all(self, definitions: Definitions, *, until: datetime = FIRST + DAYS * DAY) -> None:
        """Materialise every view as far as its intervals have ended by ``until``."""
        for name, view in definitions.views.items():
            for interval in view.cron.intervals(view.start, until):
                if interval.start >= view.start and interval.end <= until:
                    self.make(definitions, name, interval)

    def rows(
        self, definitions: Definitions, start: datetime, end: datetime, model: Model | None = None, **how: Any
    ) -> FeatureSet:
        chosen = model or definitions.model("sales")
        return population_set(
            chosen, start, end, definitions=definitions, lake=self.lake, settings=self.settings, **how
        )

    def fill(self, definitions: Definitions, *, seed: int = 1, midnight: bool = True) -> None:
        """Write five days of random orders, prices (some late, some corrected), outcomes, and last year's register."""
        dice = random.Random(seed)
        shops = ["a", "b", "c", None]
        year = Interval(utc("2012-01-01"), utc("2013-01-01"))
        self.put(definitions, "register", year, [{"shop": s, "size": n} for n, s in enumerate("ab")])
        number = 0
        prices: list[dict[str, Any]] = []
        for step in range(-8, DAYS * 24):
            for shop in shops[:3]:
                at = FIRST + step * HOUR + timedelta(minutes=dice.randrange(60))
                late = timedelta(minutes=dice.choice([0, 5, 300, 1500]))
                prices.append({"shop": shop, "at": at, "sent": at + late, "price": float(dice.randrange(9))})
        for day in range(-2, DAYS):
            interval = Interval(FIRST + day * DAY, FIRST + (day + 1) * DAY)
            orders, outcomes = [], []
            for _ in range(12):
                number += 1
                hour = 0 if midnight else dice.randrange(24)
                due = interval.end + timedelta(hours=hour) if midnight else interval.start + timedelta(hours=hour)
                placed = interval.start + timedelta(hours=dice.randrange(24)) if midnight else due
                orders.append({"order_id": number, "shop": dice.choice(shops), "due": due, "placed": placed})
                done = interval.start + timedelta(hours=dice.randrange(24))
                outcomes.append({"order_id": max(number - 12, 0), "done": done, "value": float(dice.randrange(9))})
            self.put(definitions, "orders", interval, orders)
            self.put(definitions, "outcomes", interval, outcomes)
        for begin in range(-48, DAYS * 24, 6):
            interval = Interval(FIRST + begin * HOUR, FIRST + (begin + 6) * HOUR)
            self.put(definitions, "prices", interval, [row for row in prices if row["sent"] in interval])


TIMES = ("event_time", "known_at")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    settings = Settings(project=tmp_path, home=tmp_path / "home", definitions=tmp_path / "include", threads=2)
    return Town(settings.definitions, settings, Lake.from_settings(settings))


@pytest.fixture
def day() -> Callable[[int], Interval]:
    return lambda number: Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)
