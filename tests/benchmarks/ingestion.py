"""Ingesting one CSV batch under ten expectations, beside Great Expectations alone and a plain DuckDB scan of the file.

Each measure runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMON = """
import json, sys, time
from pathlib import Path
from slipstream.definitions import Source
from slipstream.definitions.source import Contract
folder = Path(sys.argv[1])
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
def between(column, low, high):
    return {"type": "expect_column_values_to_be_between", "on_failure": "quarantine",
            "kwargs": {"column": column, "min_value": low, "max_value": high}}
expectations = [
    {"type": "expect_table_row_count_to_be_between", "on_failure": "halt", "kwargs": {"min_value": 1}},
    {"type": "expect_column_values_to_be_in_set", "on_failure": "quarantine",
     "kwargs": {"column": "origin", "value_set": ["EWR", "JFK", "LGA"]}},
    {"type": "expect_column_pair_values_a_to_be_greater_than_b", "on_failure": "quarantine",
     "kwargs": {"column_A": "arrived_at", "column_B": "departed_at"}},
    {"type": "expect_column_values_to_not_be_null", "on_failure": "quarantine", "kwargs": {"column": "carrier"}},
    between("dep_delay", -60, 1440), between("arr_delay", -90, 1440), between("distance", 50, 6000),
    between("air_time", 15, 900), between("flight", 1, 9999), between("seats", 19, 900),
]
source = Source.model_validate({
    "name": "flights", "description": "Flights.", "schedule": "0 0 * * *", "start": "2013-01-01",
    "connector": {"type": "files", "path": "{start:%Y-%m-%d}.csv", "format": "csv"},
    "columns": {"flight_id": "string", "carrier": "string", "flight": "int64", "origin": "string",
                "dep_delay": "float64", "arr_delay": "float64", "air_time": "float64", "distance": "float64",
                "seats": "int64", "departed_at": "timestamp", "arrived_at": "timestamp"},
    "key": ["flight_id"], "event_time": "departed_at", "known_at": "interval_end"})
source._contract = Contract.model_validate({"expectations": expectations})
path = folder / "home" / "landing" / "2013-01-31.csv"
"""
INGEST = """
import great_expectations, pandas
from slipstream.ingestion import load_batch, publish_batch, validate_batch
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.settings import Settings
settings = Settings(project=folder, home=folder / "home")
where = {"lake": Lake.from_settings(settings), "settings": settings, "run": Run.local()}
idle, begin, busy = peak(), time.perf_counter(), time.process_time()
loaded = load_batch(source, Interval.parse("2013-01-31"), **where)
after_load = time.perf_counter()
validated = validate_batch(source, loaded, **where)
after_validate = time.perf_counter()
published = publish_batch(source, validated, **where)
found = {"accepted": published.accepted, "quarantined": published.quarantined, "load": after_load - begin,
         "validate": after_validate - after_load, "publish": time.perf_counter() - after_validate}
"""
GX = """
import great_expectations, pandas
from slipstream.ingestion import greatexpectations as gx
frame = pandas.read_csv(path, parse_dates=["departed_at", "arrived_at"])
idle, begin, busy = peak(), time.perf_counter(), time.process_time()
results = gx.run([(each["type"], each["kwargs"]) for each in expectations], frame)
found = {"broken": sum(not result.success for result in results)}
"""
DUCKDB = """
import duckdb
idle, begin, busy = peak(), time.perf_counter(), time.process_time()
duckdb.sql(f"COPY (SELECT * FROM read_csv('{path}')) TO '{folder / 'scan.parquet'}' (FORMAT parquet)")
found = {}
"""
END = """
found["seconds"] = time.perf_counter() - begin
found["cpu_seconds"] = time.process_time() - busy
found["peak_mb"] = peak()
found["above_idle_mb"] = found["peak_mb"] - idle
print(json.dumps(found))
"""


def write_flights(path: Path, rows: int) -> int:
    """Write ``rows`` made-up flights, one in a thousand of which is bad; return the file's bytes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pacsv

    chance = np.random.default_rng(7)
    departed = np.datetime64("2013-01-31T00:00:00", "s") + chance.integers(0, 86_400, rows).astype("timedelta64[s]")
    minutes = chance.integers(20, 400, rows)
    number = np.arange(rows)
    texts = {
        "departed_at": np.char.add(np.datetime_as_string(departed), "Z"),
        "arrived_at": np.char.add(np.datetime_as_string(departed + minutes * np.timedelta64(60, "s")), "Z"),
        "flight_id": np.char.add(np.char.add("UA-", number.astype(str)), "-EWR-20130131"),
        "carrier": chance.choice(["UA", "AA", "B6", "DL"], rows),
        "origin": np.where(number % 1000 == 0, "XXX", chance.choice(["EWR", "JFK", "LGA"], rows)),
    }
    numbers = {
        "flight": chance.integers(1, 9999, rows),
        "dep_delay": np.round(chance.normal(10, 15, rows)),
        "arr_delay": np.round(chance.normal(5, 18, rows)),
        "air_time": minutes * 1.0,
        "distance": chance.integers(80, 5000, rows) * 1.0,
        "seats": chance.integers(20, 400, rows),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    options = pacsv.WriteOptions(quoting_style="none", quoting_header="none")
    pacsv.write_csv(pa.table({**texts, **numbers}), path, options)
    return path.stat().st_size


def _measure(script: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-c", COMMON + script + END, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def run(rows: int = 1_000_000) -> dict[str, Any]:
    """Return seconds and peak memory of each, and the ratios of ingestion to the others."""
    with tempfile.TemporaryDirectory() as folder:
        size = write_flights(Path(folder) / "home" / "landing" / "2013-01-31.csv", rows)
        found = {"ingest": INGEST, "gx_alone": GX, "duckdb_scan_and_write": DUCKDB}
        measured = {name: _measure(script, folder) for name, script in found.items()}
    seconds = measured["ingest"]["seconds"]
    ratios = {f"ingest_to_{name}": seconds / measured[name]["seconds"] for name in measured if name != "ingest"}
    return {"rows": rows, "file_mb": size / 2**20, "expectations": 10, **measured, "ratios": ratios}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000), indent=2) + "\n")
