"""Whether watching a model costs more as its predictions grow: the time and the peak of memory of a window's sample.

``python tests/benchmarks/monitoring.py [rows…]`` writes tables of predictions of 100 thousand, 1 million and 10 million
rows and reads a window's sample from each, in a process of its own: once with a table that grows while its window holds
100,000 rows, once with all of the rows in the window. What follows the sample, comparing 2,000 rows with 2,000, is the
same whatever the table, and is timed by itself.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

SIZES = (100_000, 1_000_000, 10_000_000)
WINDOW_ROWS, DAYS, FEATURES, SAMPLE = 100_000, 7, 20, 2_000
START = "2013-01-01"


def run(sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Return, for each size, seconds and peak of memory (MB) of both readings, and the seconds of a comparison."""
    found: dict[str, Any] = {"comparison": f"{compare():.2f} s for {FEATURES} features"}
    for rows in sizes:
        for what, days in (("table", DAYS * max(1, rows // WINDOW_ROWS)), ("window", DAYS)):
            with tempfile.TemporaryDirectory() as name:
                fill(Path(name), rows, days)
                seconds, peak = in_a_process(Path(name), days)
                found[f"{what} of {rows:,} rows"] = f"{seconds:.2f} s, {peak:.0f} MB"
    return found


def fill(folder: Path, rows: int, days: int) -> None:
    """Write ``rows`` predictions, spread over ``days`` days."""
    import numpy as np
    import pyarrow as pa

    from slipstream.intervals import Interval, utc
    from slipstream.lake import Lake, Provenance, Run

    table, per_day = Lake(folder).table("predictions/visit"), rows // days
    for day in range(days):
        first = utc(START) + timedelta(days=day)
        number = per_day + (rows - per_day * days if day == days - 1 else 0)
        keys = np.arange(number) + day * per_day
        found = pa.table(
            {
                "visit_id": keys,
                "prediction_time": pa.array([first], pa.timestamp("us", tz="UTC")).take(np.zeros(number, dtype=int)),
                "score": np.random.default_rng(day).random(number),
                "model_version": pa.array(["1"]).take(np.zeros(number, dtype=int)),
            }
        )
        table.write(Interval(first, first + timedelta(days=1)), found, provenance=Provenance(Run.local()))


def in_a_process(folder: Path, days: int) -> tuple[float, float]:
    """Return seconds and the peak of memory of reading the last week's sample."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_read, args=(str(folder), days, theirs))
    process.start()
    found: tuple[float, float] = ours.recv()
    process.join()
    return found


def _read(folder: str, days: int, pipe: Any) -> None:
    from slipstream.definitions.model import Model
    from slipstream.intervals import Interval, utc
    from slipstream.lake import Lake
    from slipstream.monitoring.window import read_predictions
    from slipstream.promotion import Registry
    from slipstream.settings import Settings

    given: dict[str, Any] = {"population": {"inputs": {"a": {"table": "raw/a"}}}, "seed": 1, "features": ["a:b"]}
    given |= {"label": {"inputs": {"a": {"table": "raw/a"}}, "maturity": "1d"}, "gate": [{"check": "baseline"}]}
    given |= {"name": "visit", "owner": "a", "purpose": "a", "task": "regression", "start": START, "key": ["visit_id"]}
    model = Model.model_validate(given, context={"lenient": True})
    settings = Settings(project=Path(folder), mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db")
    Registry.from_settings(settings).times("visit")  # opens the store
    end = utc(START) + timedelta(days=days)
    interval, window = Interval(end - timedelta(days=1), end), Interval(end - timedelta(days=DAYS), end)
    began = time.perf_counter()
    seen = read_predictions(model, interval, window, since=utc(START), lake=Lake(folder), settings=settings)
    seconds = time.perf_counter() - began
    if not seen.rows.num_rows <= SAMPLE <= seen.number:
        message = f"Wanted a sample of {SAMPLE} rows, found {seen.rows.num_rows} of {seen.number}."
        raise RuntimeError(message)
    pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def compare() -> float:
    """Return the seconds that one comparison of two samples takes."""
    import numpy as np
    import pandas as pd

    from slipstream.definitions.model import Monitoring
    from slipstream.monitoring.columns import compare_frames, judge_columns

    dice = np.random.default_rng(1)
    sides = [pd.DataFrame(dice.normal(size=(SAMPLE, FEATURES))).add_prefix("f") for _ in range(2)]
    kinds = dict.fromkeys(sides[0].columns, "double")
    seconds = 0.0
    for _ in range(2):  # the first time imports SciPy
        began = time.perf_counter()
        judge_columns(compare_frames(*sides, kinds, Monitoring()), 0, Monitoring(), dict.fromkeys(kinds, 1 / FEATURES))
        seconds = time.perf_counter() - began
    return seconds


if __name__ == "__main__":
    chosen = tuple(int(each) for each in sys.argv[1:])
    sys.stdout.write(json.dumps(run(chosen or SIZES), indent=2) + "\n")
