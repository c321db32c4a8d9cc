"""How long the gate's checks take on 100,000 rows with 10,000 resamples by days, beside resampling the rows plainly.

``python tests/benchmarks/gate.py [rows]``. The plain one draws days, gathers their rows and takes the mean.
It is scaled to as many resamples, and gives one percentile interval, the gate a verdict of every check. Both
are also in processor seconds, which a busy machine does not change as much.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import timedelta
from typing import Any

import numpy as np

RESAMPLES, DAYS, PLAIN = 10_000, 28, 50
COLUMNS = ("facts:kind", "facts:size")
SETTINGS: list[dict[str, Any]] = [
    {"check": "baseline"},
    {"check": "metric_gain", "resamples": RESAMPLES},
    {"check": "calibration"},
    {"check": "slices", "columns": COLUMNS, "resamples": RESAMPLES},
    {"check": "stability"},
    {"check": "value", "true_positive": 1, "resamples": RESAMPLES},
    {"check": "fairness", "columns": COLUMNS},
    {"check": "schema"},
    {"check": "budget"},
]


def run(rows: int = 100_000) -> dict[str, Any]:
    """Time every check once, and the plain side; return seconds and their ratio."""
    from pydantic import TypeAdapter

    from slipstream.definitions import GateCheck
    from slipstream.promotion.gate import run_check

    evidence, seconds, work = made_up(rows), {}, {}
    for settings in SETTINGS:
        check = TypeAdapter(GateCheck).validate_python(settings)
        began, worked = time.perf_counter(), time.process_time()
        found = run_check(check, evidence)
        seconds[found.name] = time.perf_counter() - began
        work[found.name] = time.process_time() - worked
        if found.outcome == "undecided":
            raise RuntimeError(found.sentence)
    plain, plain_work = plain_seconds(evidence)
    return {
        "benchmark": "gate",
        "rows": rows,
        "resamples": RESAMPLES,
        "seconds": round(sum(seconds.values()), 2),
        "cpu_seconds": round(sum(work.values()), 2),
        "cpu_of_each": {name: round(each, 2) for name, each in work.items()},
        "plain_seconds": round(plain, 1),
        "plain_cpu_seconds": round(plain_work, 1),
        "cpu_ratio": round(sum(work.values()) / plain_work, 2),
    }


def made_up(rows: int) -> Any:
    import pyarrow as pa
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    from slipstream.definitions import Model
    from slipstream.intervals import utc
    from slipstream.promotion.evaluation import Comparison
    from slipstream.promotion.frames import model_frame
    from slipstream.promotion.gate import Evidence
    from slipstream.promotion.loading import LoadedModel

    chance, moment = np.random.default_rng(1), utc("2013-02-01")
    size, kind = chance.normal(size=rows), chance.integers(0, 20, rows)
    score = 1 / (1 + np.exp(-size - kind / 20))
    label = (chance.random(rows) < score).astype(float)
    times = utc("2013-01-01").timestamp() * 1e6 + np.arange(rows) * DAYS // rows * 86_400_000_000
    table = pa.table(
        {
            "prediction_time": pa.array(times.astype("int64"), pa.timestamp("us", tz="UTC")),
            "facts__size": size,
            "facts__kind": [f"kind {each}" for each in kind],
            "label": label,
            "challenger": score,
            "champion": np.clip(score + chance.normal(scale=0.05, size=rows), 0.01, 0.99),
        }
    )
    model = Model.model_validate(
        {
            "name": "bench", "purpose": "Benchmark.", "task": "binary_classification", "start": "2013-01-01",
            "key": ["id"], "population": {"inputs": {"x": {"table": "raw/x"}}}, "seed": 1,
            "label": {"inputs": {"x": {"table": "raw/x"}}, "maturity": timedelta(days=1)},
            "features": list(COLUMNS), "gate": [{"check": "baseline"}],
        }
    )  # fmt: skip
    kinds = {"facts__size": "double", "facts__kind": "string"}
    columns = ColumnTransformer([("words", OrdinalEncoder(), ["facts__kind"])], remainder="passthrough")
    estimator = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=50))
    estimator.fit(model_frame(table, kinds), label.astype(int))
    loaded = LoadedModel("bench", "1", "binary_classification", kinds, estimator, size=1)
    whole = dict.fromkeys(("as_of", "start", "end"), moment)
    found = Comparison(
        model="bench", challenger="2", champion="1", rows=rows, versions={}, digest="d", baseline=0.5, run_id="r",
        path="p", problem=None, **whole,
    )  # fmt: skip
    return Evidence(model, found, table, lambda _: loaded)


def plain_seconds(evidence: Any) -> tuple[float, float]:
    """Return the seconds, and those of the processor, of as many resamples that gather the rows of the days drawn."""
    gain, days = evidence.champion - evidence.challenger, evidence.blocks(timedelta(days=1))
    places = [np.flatnonzero(days == day) for day in np.unique(days)]
    chance, began, worked = np.random.default_rng(1), time.perf_counter(), time.process_time()
    for _ in range(PLAIN):
        drawn = chance.integers(len(places), size=len(places))
        gain[np.concatenate([places[each] for each in drawn])].mean()
    scale = RESAMPLES / PLAIN
    return (time.perf_counter() - began) * scale, (time.process_time() - worked) * scale


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=100_000)
    sys.stdout.write(json.dumps(run(parser.parse_args().rows), indent=2) + "\n")
