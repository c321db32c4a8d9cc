"""The lake on a server that speaks S3's protocol."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
import pytest

from slipstream.errors import WriteConflictError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
from slipstream.settings import Settings

DAY = Interval.parse("2013-01-01")
NEXT = Interval.parse("2013-01-02")
PROVENANCE = Provenance(Run.local())


@pytest.fixture
def lake(s3, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("SLIPSTREAM_S3_ENDPOINT_URL", s3.endpoint_url)
    return Lake.from_settings(Settings(lake=f"s3://{s3.bucket}/my lake"))


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def test_a_bucket_holds_a_lake_as_a_folder_does(lake: Lake, s3) -> None:
    table = lake.table("raw/flights")
    assert not table.exists()
    assert lake.tables() == []
    table.write(DAY, numbers(1, 2), provenance=PROVENANCE)
    table.write(NEXT, numbers().slice(0), provenance=PROVENANCE)
    assert not table.write(DAY, numbers(2, 1), provenance=PROVENANCE).changed
    table.write(DAY, numbers(3), provenance=PROVENANCE)
    fresh = Lake(lake.root, storage_options=s3.storage_options).table("raw/flights")
    assert fresh.read()["n"].to_pylist() == [3]
    assert sorted(fresh.read(version=0)["n"].to_pylist()) == [1, 2]
    assert fresh.intervals() == [DAY, NEXT]
    assert [commit.rows for commit in fresh.commits()] == [1, 0, 2]
    assert all(check.ok for check in fresh.verify())
    assert lake.tables() == ["raw/flights"]
    assert all(key.startswith("my lake/raw/flights/") for key in s3.list_keys())


def test_maintenance_works_in_a_bucket(lake: Lake, s3) -> None:
    table = lake.table("raw/flights")
    for number in range(3):
        table.write(DAY, numbers(number), provenance=PROVENANCE)
    assert not table.compact().skipped
    parquet = [key for key in s3.list_keys() if key.endswith(".parquet")]
    assert table.vacuum([1], timedelta(days=1)).files == 0
    assert len([key for key in s3.list_keys() if key.endswith(".parquet")]) == len(parquet)
    assert all(check.ok for check in table.verify())


def test_the_slower_of_two_writers_loses(lake: Lake) -> None:
    table, other = lake.table("raw/flights"), lake.table("raw/flights")

    def batches() -> Iterator[pa.RecordBatch]:
        yield from numbers(1).to_batches()
        other.write(DAY, numbers(7), provenance=PROVENANCE)

    reader = pa.RecordBatchReader.from_batches(numbers().schema, batches())
    with pytest.raises(WriteConflictError):
        table.write(DAY, reader, provenance=PROVENANCE)
    assert table.read()["n"].to_pylist() == [7]


RACE = """
import sys
import pyarrow as pa
from slipstream.errors import WriteConflictError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
options = {"AWS_ENDPOINT_URL": sys.argv[2], "AWS_ALLOW_HTTP": "true"}
table = Lake(sys.argv[1], storage_options=options).table("raw/flights")
me, wins = int(sys.argv[3]), 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(1, 6):
    for interval in (f"2013-01-{number:02d}", f"2013-0{2 + me}-{number:02d}"):
        try:
            rows = pa.table({"n": [me] * 20})
            wins += table.write(Interval.parse(interval), rows, provenance=Provenance(Run.local())).changed
        except WriteConflictError:
            pass
print(wins)
"""


def test_two_processes_neither_lose_nor_mix_rows(lake: Lake, s3) -> None:
    command = [sys.executable, "-c", RACE, lake.root, s3.endpoint_url]
    writers = [
        subprocess.Popen([*command, str(me)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for me in (0, 1)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    wins = [int(writer.communicate(timeout=120)[0]) for writer in writers]
    table = lake.table("raw/flights")
    assert len(table.intervals()) == 15
    assert len(table.commits()) == sum(wins)
    for interval in table.intervals():
        values = table.read(interval.start, interval.end)["n"].to_pylist()
        assert len(values) == 20
        assert len(set(values)) == 1
    assert all(check.ok for check in table.verify())
