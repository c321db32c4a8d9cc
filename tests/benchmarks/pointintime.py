"""How long the point-in-time join takes, beside a DuckDB scan and write of the same columns.

``python tests/benchmarks/pointintime.py [rows]`` prints the ratio; ``--limited`` joins in a child process that may not
take more than 4 GB, and prints its peak. The join reads the population and three views from Parquet and writes Parquet;
the scan reads the join's result and writes it again, on as many threads.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

LIMIT = 4 * 1024**3
YEAR = datetime(2013, 1, 1, tzinfo=UTC)
HOURS = 365 * 24


def run(rows: int = 1_000_000, *, repeats: int = 5) -> dict[str, Any]:
    """Time both, alternately, and return seconds and their ratio: the median of the ratios of neighbours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, rows)
        join(folder)  # also what the scan reads
        scan(folder)
        pairs = [(timed(join, folder), timed(scan, folder)) for _ in range(repeats)]
        stages = measure_stages(folder)
    result = {
        "benchmark": "point_in_time_join",
        "rows": rows,
        "join_seconds": round(statistics.median(pair[0] for pair in pairs), 3),
        "scan_and_write_seconds": round(statistics.median(pair[1] for pair in pairs), 3),
        "ratio": round(statistics.median(pair[0] / pair[1] for pair in pairs), 2),
        **stages,
    }
    report(result)
    return result


def run_limited(rows: int = 10_000_000, *, limit: int = LIMIT) -> dict[str, Any]:
    """Join in a child process whose address space is limited, and return its seconds and peak resident memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, rows)
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            seconds, peak, written = pool.apply(_join_within, (folder, limit))
    result = {
        "benchmark": "point_in_time_join_limited",
        "rows": rows,
        "rows_written": written,
        "limit_bytes": limit,
        "peak_bytes": peak,
        "seconds": round(seconds, 2),
    }
    report(result)
    return result


def make_data(folder: Path, rows: int) -> None:
    """Write a population of flights and three views: weather (26 k rows), routes (420 k), aircraft (750 k, mixed)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    dice = np.random.default_rng(7)
    start, year = int(YEAR.timestamp()) * 1_000_000, HOURS * 3_600_000_000

    def times(values: Any) -> pa.Array:
        return pa.array(values, pa.int64()).cast(pa.timestamp("us", tz="UTC"))

    def text(prefix: str, values: Any) -> pa.Array:
        return pa.array([f"{prefix}{i:04d}" for i in range(int(values.max()) + 1)]).take(pa.array(values))

    def write(name: str, columns: dict[str, Any]) -> None:
        pq.write_table(pa.table(columns), folder / f"{name}.parquet", row_group_size=131_072)

    def numbers(names: str, count: int) -> dict[str, Any]:
        return {name: dice.normal(10, 5, count).round(1) for name in names.split()}

    day = 86_400_000_000
    columns = {
        "flight": np.arange(rows),
        "origin": text("P", dice.integers(0, 3, rows)),
        "carrier": text("C", dice.integers(0, 16, rows)),
        "tailnum": text("N", dice.integers(0, 4000, rows)),
        "distance": dice.integers(80, 5000, rows),
        "prediction_time": times(np.sort(start + dice.integers(0, 365 * 24, rows) * (day // 24))),
    }
    write("population", columns)
    hours = start + np.tile(np.arange(HOURS), 3) * 3_600_000_000
    write("weather", {
        "origin": text("P", np.repeat(np.arange(3), HOURS)),
        "event_time": times(hours),
        "known_at": times(hours + 3_600_000_000),
        **numbers("wind gust visibility pressure temperature", len(hours)),
    })  # fmt: skip
    hours = start + np.tile(np.arange(HOURS), 48) * 3_600_000_000
    write("routes", {
        "origin": text("P", np.repeat(np.arange(48) % 3, HOURS)),
        "carrier": text("C", np.repeat(np.arange(48) // 3, HOURS)),
        "event_time": times(hours),
        "known_at": times(hours + 3_600_000_000),
        **numbers("delay_mean delay_max cancelled", len(hours)),
    })  # fmt: skip
    event = start + dice.integers(0, year, 750_000)
    late = dice.exponential(6 * 3_600_000_000, len(event)).astype(np.int64)
    write("aircraft", {
        "tailnum": text("N", dice.integers(0, 4000, len(event))),
        "event_time": times(event),
        "known_at": times(event + late),
        **numbers("last_delay air_time", len(event)),
        "landed_at": text("P", dice.integers(0, 100, len(event))),
    })  # fmt: skip


def views(folder: Path) -> list[Any]:
    import pyarrow.parquet as pq

    from slipstream.features.pointintime import ViewRows

    wanted = {
        "weather": (["origin"], timedelta(hours=6)),
        "routes": (["origin", "carrier"], timedelta(hours=24)),
        "aircraft": (["tailnum"], timedelta(days=7)),
    }
    found = []
    for name, (keys, ttl) in wanted.items():
        rows = pq.read_table(folder / f"{name}.parquet")
        features = [column for column in rows.column_names if column not in {*keys, "event_time", "known_at"}]
        outputs = {f"{name}__{feature}": feature for feature in features}
        found.append(ViewRows(name, {key: key for key in keys}, rows, outputs, ttl))
    return found


def joined(folder: Path) -> Any:
    import pyarrow.dataset as ds

    from slipstream.features.pointintime import point_in_time_join_stream

    population = ds.dataset(folder / "population.parquet").scanner(batch_size=131_072, batch_readahead=4)
    return point_in_time_join_stream(population.to_reader(), views(folder))


def join(folder: Path) -> None:
    """Read, join, write."""
    write_parquet(joined(folder), folder / "joined.parquet")


def scan(folder: Path) -> None:
    """Read the same columns, write them."""
    import duckdb

    with duckdb.connect() as connection:
        source, target = folder / "joined.parquet", folder / "scanned.parquet"
        connection.execute(f"COPY (SELECT * FROM read_parquet('{source}')) TO '{target}' (FORMAT parquet)")


def write_parquet(reader: Any, target: Path) -> None:
    """Write batches as they come; Arrow's writer takes less of the processor than DuckDB's does from Arrow."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(target, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def measure_stages(folder: Path) -> dict[str, float]:
    """Say where the join's time goes: reading the views, preparing them, and all but the writing."""
    return {
        "read_views_seconds": round(timed(views, folder), 3),
        "prepare_seconds": round(timed(joined, folder) - timed(views, folder), 3),
        "unwritten_seconds": round(timed(lambda f: sum(batch.num_rows for batch in joined(f)), folder), 3),
    }


def timed(work: Callable[[Path], Any], folder: Path) -> float:
    start = time.perf_counter()
    work(folder)
    return time.perf_counter() - start


def _join_within(folder: Path, limit: int) -> tuple[float, int, int]:
    import pyarrow.parquet as pq

    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    seconds = timed(join, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return seconds, peak, pq.read_metadata(folder / "joined.parquet").num_rows


def report(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({**result, "cpus": os.cpu_count()}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--limited", action="store_true", help="join under 4 GB in a child process")
    arguments = parser.parse_args()
    (run_limited if arguments.limited else run)(arguments.rows)
