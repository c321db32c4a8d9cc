"""How fast scoring is beside a bare ``predict_proba`` on the same rows, and whether its memory grows with them.

``python tests/benchmarks/scoring.py [rows]`` scores a population from a lake, with a view of constant size, through the
library's own steps: population, join, prediction, staged Parquet. The bare side has its frame in memory already. Memory
is the peak of child processes, at a tenth of the rows and at all of them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FEATURES, ENTITIES = 10, 5_000
START = "2013-01-01"
FILES = {
    "sources/visits/source.yaml": """
name: visits
description: Visits.
schedule: "0 0 * * *"
start: 2013-01-01
connector: {type: files, path: "visits/{start:%Y-%m-%d}.csv", format: csv}
columns: {visit_id: int64, person: int64, at: timestamp}
key: [visit_id]
event_time: at
known_at: at
""",
    "sources/people/source.yaml": """
name: people
description: People.
schedule: "0 0 * * *"
start: 2012-12-31
connector: {type: files, path: "people/{start:%Y-%m-%d}.csv", format: csv}
columns: {person: int64, PEOPLE}
key: [person]
event_time: interval_start
known_at: interval_end
""",
    "features/person/view.yaml": """
name: person
description: A person.
schedule: "0 0 * * *"
start: 2012-12-31
entity: [person]
inputs: {people: {table: raw/people}}
features: {VIEW}
""",
    "features/person/view.sql": "SELECT * FROM people",
    "models/visit/model.yaml": """
name: visit
purpose: Benchmark.
task: binary_classification
start: 2013-01-01
key: [visit_id]
population: {inputs: {visits: {table: raw/visits}}}
label: {inputs: {visits: {table: raw/visits}}, maturity: 1d}
features: [MODEL]
evaluation: {window: 7d}
seed: 1
gate: [{check: baseline}]
scoring: {at: end}
""",
    "models/visit/population.sql": "SELECT visit_id, person, known_at AS prediction_time FROM visits",
    "models/visit/label.sql": "SELECT visit_id, 1 AS label, known_at FROM visits",
    "models/visit/estimator.py": "def build(params): ...\n",
}


def run(rows: int = 200_000, *, repeats: int = 3) -> dict[str, Any]:
    """Time both sides alternately; return seconds, their ratio (1: as fast as bare), and the peaks of memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = open_world(folder, write=rows)
        frame, estimator = bare_frame(world), world["champion"].estimator
        pairs = []
        for _ in range(repeats + 1):
            pairs.append((timed(lambda: estimator.predict_proba(frame)), timed(lambda: scored(world))))
        pairs = pairs[1:]
        peaks = {}
        for part in (rows // 10, rows):
            open_world(folder / str(part), write=part)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                peaks[part] = pool.apply(peak, (folder / str(part),))
    result = {
        "benchmark": "scoring",
        "rows": rows,
        "bare_seconds": round(statistics.median(pair[0] for pair in pairs), 3),
        "scoring_seconds": round(statistics.median(pair[1] for pair in pairs), 3),
        "throughput_ratio": round(statistics.median(pair[0] / pair[1] for pair in pairs), 2),
        "rows_per_second": round(rows / statistics.median(pair[1] for pair in pairs)),
        "peak_bytes_at_a_tenth": peaks[rows // 10],
        "peak_bytes": peaks[rows],
        "memory_ratio": round(peaks[rows] / peaks[rows // 10], 2),
    }
    sys.stdout.write(json.dumps({**result, "cpus": os.cpu_count()}) + "\n")
    return result


def open_world(folder: Path, *, write: int = 0) -> dict[str, Any]:
    """Open the lake, the definitions and a champion in ``folder``; with ``write``, make them, of so many rows."""
    from slipstream.definitions import load_definitions
    from slipstream.intervals import Interval
    from slipstream.lake import Lake
    from slipstream.settings import Settings

    numbers = [f"f{n}" for n in range(FEATURES)]
    if write:
        for name, text in FILES.items():
            path = folder / "include" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = text.replace("PEOPLE", ", ".join(f"{n}: float64" for n in numbers))
            text = text.replace("VIEW", ", ".join(f"{n}: {{type: float64, description: Number.}}" for n in numbers))
            path.write_text(text.replace("MODEL", ", ".join(f'"person:{n}"' for n in numbers)), encoding="utf-8")
    settings = Settings(project=folder, home=folder / "home", definitions=folder / "include")
    world: dict[str, Any] = {
        "definitions": load_definitions(folder / "include"),
        "lake": Lake.from_settings(settings),
        "settings": settings,
        "day": Interval.parse(START),
    }
    if write:
        fill(world, write)
    return {**world, "champion": champion()}


def fill(world: dict[str, Any], rows: int) -> None:
    import numpy as np
    import pyarrow as pa

    from slipstream.features import materialise
    from slipstream.intervals import Interval
    from slipstream.lake import Provenance, Run

    dice, day, run = np.random.default_rng(1), world["day"], Run.local()
    before = Interval(day.start - day.length, day.start)
    moment = pa.timestamp("us", tz="UTC")
    begin = int(day.start.timestamp()) * 1_000_000

    def table(columns: dict[str, Any], name: str) -> pa.Table:
        return pa.table(columns).select(world["definitions"].source(name).table_schema.names)

    people = {f"f{n}": dice.normal(size=ENTITIES) for n in range(FEATURES)}
    times = {
        "event_time": pa.array([before.start] * ENTITIES, moment),
        "known_at": pa.array([day.start] * ENTITIES, moment),
    }
    people_rows = table({"person": np.arange(ENTITIES), **people, **times}, "people")
    world["lake"].table("raw/people").write(before, people_rows, provenance=Provenance(run=run))
    at = pa.array(np.sort(begin + dice.integers(0, 86_400_000_000, rows)), pa.int64()).cast(moment)
    visits = {"visit_id": np.arange(rows), "person": dice.integers(0, ENTITIES, rows), "at": at}
    visit_rows = table({**visits, "event_time": at, "known_at": at}, "visits")
    world["lake"].table("raw/visits").write(day, visit_rows, provenance=Provenance(run=run))
    source = {name: world[name] for name in ("definitions", "lake", "settings")}
    materialise(world["definitions"].view("person"), before, run=run, **source)


def champion() -> Any:
    """Return boosted trees of the size that the example's models have, as the registry would load them."""
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    from slipstream.promotion.loading import LoadedModel

    names = [f"person__f{n}" for n in range(FEATURES)]
    dice = np.random.default_rng(2)
    rows = pd.DataFrame(dice.normal(size=(5_000, FEATURES)), columns=names)
    label = (rows.sum(axis=1) + dice.normal(size=len(rows)) > 0).astype(float)
    trees = HistGradientBoostingClassifier(max_iter=200, max_leaf_nodes=8, early_stopping=False, random_state=0)
    trees.fit(rows, label)
    return LoadedModel("visit", "1", "binary_classification", dict.fromkeys(names, "double"), trees)


def batches(world: dict[str, Any]) -> Any:
    from slipstream.features import feature_batches, model_inputs
    from slipstream.features.inputs import pin
    from slipstream.scoring.score import ROWS_AT_ONCE

    model = world["definitions"].model("visit")
    source = {name: world[name] for name in ("definitions", "lake", "settings")}
    versions = pin(world["lake"], model_inputs(model, world["day"], definitions=world["definitions"]))
    return feature_batches(model, world["day"], versions=versions, rows=ROWS_AT_ONCE, **source)


def scored(world: dict[str, Any]) -> int:
    """Score the population into staging, as the task does once it has its champion."""
    from itertools import chain

    from slipstream.lake.scratch import Scratch
    from slipstream.scoring.score import _predictions, predictions_schema

    model, found = world["definitions"].model("visit"), batches(world)
    first = next(found)
    schema = predictions_schema(model, first.schema)
    rows = _predictions(model, world["champion"], "run", schema, chain([first], found))
    return Scratch(world["settings"]).write("scoring/benchmark.parquet", schema, rows)


def bare_frame(world: dict[str, Any]) -> Any:
    import pyarrow as pa

    return world["champion"].frame(pa.Table.from_batches(list(batches(world))))


def peak(folder: Path) -> int:
    """Score in this process and return the most memory that it ever held, in bytes."""
    scored(open_world(folder))
    # Not getrusage: there a child begins with the peak of the process that started it.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=200_000)
    run(parser.parse_args().rows)
