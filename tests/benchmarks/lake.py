"""Lake commits a second with one and with four writer processes, each writing intervals of its own to one table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

COMMITS = 40  # of each writer
ROWS = 1_000
WRITER = f"""
import sys
from datetime import UTC, datetime, timedelta
import numpy as np
import pyarrow as pa
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
table, me = Lake(sys.argv[1]).table("raw/bench"), int(sys.argv[2])
rows = pa.table({{f"c{{k}}": np.random.default_rng(k).normal(size={ROWS}) for k in range(10)}})
print("ready", flush=True)
sys.stdin.readline()
for number in range({COMMITS}):
    start = datetime(2013, 1, 1, tzinfo=UTC) + timedelta(days={COMMITS} * me + number)
    table.write(Interval(start, start + timedelta(days=1)), rows, provenance=Provenance(Run.local()))
"""


def commits_a_second(writers: int) -> float:
    """Return commits a second of ``writers`` processes that start together; every commit must be in the table."""
    from slipstream.lake import Lake

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", WRITER, folder]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [subprocess.Popen([*command, str(me)], **pipes) for me in range(writers)]
        for process in processes:
            process.stdout.readline()
        begin = time.perf_counter()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        codes = [process.wait() for process in processes]
        seconds = time.perf_counter() - begin
        for process in processes:
            process.stdin.close()
            process.stdout.close()
        found = len(Lake(folder).table("raw/bench").intervals())
        if any(codes) or found != writers * COMMITS:
            message = f"Wanted {writers * COMMITS} commits and exit codes 0; found {found} and {codes}."
            raise RuntimeError(message)
    return writers * COMMITS / seconds


def run() -> dict[str, Any]:
    """Measure, and return what ``make bench`` writes as JSON."""
    alone, together = commits_a_second(1), commits_a_second(4)
    return {
        "name": "lake",
        "cpus": os.cpu_count(),
        "rows_a_commit": ROWS,
        "commits_a_second_1_writer": round(alone, 1),
        "commits_a_second_4_writers": round(together, 1),
        "ratio_4_to_1": round(together / alone, 2),
    }


if __name__ == "__main__":
    found = run()
    print(  # noqa: T201
        f"lake: {found['commits_a_second_1_writer']} commits a second with 1 writer, "
        f"{found['commits_a_second_4_writers']} with 4; ratio {found['ratio_4_to_1']}"
    )
    print(json.dumps(found))  # noqa: T201
