"""How many rows an interval has is told by the log; whether a table changed, by the log's newest file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Table


def day(number: int, *, hours: int = 24) -> Interval:
    start = datetime(2013, 1, number, tzinfo=UTC)
    return Interval(start, start + timedelta(hours=hours))


def test_intervals_are_counted_without_reading_a_row(
    lake: Lake, table: Table, rows: pa.Table, provenance: Provenance
) -> None:
    assert table.counts() == {}
    table.write(day(2), rows.slice(0, 0), provenance=provenance)
    assert table.counts() == {day(2): 0}, "an interval without rows is complete, and has none"
    table.write(day(1), rows, provenance=provenance)
    table.write(day(3), rows.slice(0, 2), provenance=provenance)
    files = [path for path in Path(lake.path("raw/flights")).rglob("*.parquet") if "_delta_log" not in path.parts]
    assert len(files) == 2
    for path in files:
        path.unlink()
    assert table.counts() == {day(1): 3, day(2): 0, day(3): 2}


def test_counts_follow_what_replaces_and_what_compacts(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    parts = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=1))
    table.write(day(1), parts, provenance=provenance)
    table.write(day(1), rows.slice(0, 1), provenance=provenance)
    table.write(day(2), rows, provenance=provenance)
    table.write(day(2, hours=6), rows.slice(0, 2), provenance=provenance)
    assert table.counts() == {day(1): 1, day(2, hours=6): 2}
    table.compact()
    assert table.counts() == {day(1): 1, day(2, hours=6): 2}


def test_a_stamp_changes_with_each_commit_and_with_nothing_else(
    lake: Lake, table: Table, rows: pa.Table, provenance: Provenance
) -> None:
    assert table.stamp() is None
    seen: list[str | None] = []
    for number in range(1, 4):
        table.write(day(number), rows, provenance=provenance)
        seen.append(table.stamp(seen[-1] if seen else None))
        assert table.stamp(seen[-1]) == seen[-1] == lake.table("raw/flights").stamp()
        table.write(day(number), rows, provenance=provenance)  # the same rows make no commit
        assert table.stamp(seen[-1]) == seen[-1]
    assert len(set(seen)) == 3
    assert table.stamp(seen[0]) == seen[-1], "one that was known long ago leads to the newest"
