from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from slipstream.lake import Lake, Provenance, Run, Table

PRELUDE = """
import sys
import pyarrow as pa
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
table = Lake(sys.argv[1]).table("raw/flights")
provenance = Provenance(Run("d", "r", "t"))
def say(word):
    print(word, flush=True)
def wait():
    sys.stdin.readline()
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def table(lake: Lake) -> Table:
    return lake.table("raw/flights")


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(Run("flights.ingestion", "manual", "publish_batch", 2), inputs={"raw/planes": 4}, definition="d1")


@pytest.fixture
def rows() -> pa.Table:
    times = pa.array([datetime(2013, 1, 1, 5, n, tzinfo=UTC) for n in range(3)], pa.timestamp("us", "UTC"))
    return pa.table({"flight": ["UA1", "AA2", None], "delay": [1.5, float("nan"), None], "known_at": times})


@pytest.fixture
def start_process(lake: Lake) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start Python code in a process of its own that has ``table``, ``provenance``, ``say`` and ``wait``."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PRELUDE + code, lake.root, *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
