from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Table, files

DAYS = [Interval.parse(f"2013-01-{number:02d}") for number in range(1, 6)]
ODD = Interval(datetime(2013, 1, 6, 5, 30, 0, 7, tzinfo=UTC), datetime(2013, 1, 6, 6, tzinfo=UTC))


def many_files(table: Table, provenance: Provenance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_BYTES", 1)
    monkeypatch.setattr(files, "GROUP_ROWS", 10)
    for interval in (*DAYS, ODD):
        batches = [pa.record_batch({"n": list(range(k, k + 10))}) for k in range(3)]
        reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
        table.write(interval, reader, provenance=provenance)


def test_the_names_of_an_intervals_files_keep_the_order_of_its_rows(
    table: Table, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_files(table, provenance, monkeypatch)
    for interval in (*DAYS, ODD):
        found = table.dataset(interval.start, interval.end)
        fragments = sorted(found.get_fragments(), key=lambda fragment: fragment.path)
        assert len(fragments) == 3
        assert [fragment.head(1)["n"][0].as_py() for fragment in fragments] == [0, 1, 2]


def test_compaction_joins_files_and_changes_nothing_else(
    table: Table, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_files(table, provenance, monkeypatch)
    before = table.read().sort_by([("interval_start", "ascending"), ("n", "ascending")])
    done = table.compact()
    assert (done.files_before, done.files_after, done.skipped) == (18, 6, False)
    assert table.read().sort_by([("interval_start", "ascending"), ("n", "ascending")]) == before
    assert table.intervals() == [*DAYS, ODD]
    assert all(check.ok for check in table.verify())
    assert len(table.commits()) == 6
    for interval in (DAYS[0], ODD):
        assert table.write(interval, pa.table({"n": [1]}), provenance=provenance).changed
        assert table.read(interval.start, interval.end)["n"].to_pylist() == [1]


def test_a_compacted_table_is_pruned_still(
    table: Table, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_files(table, provenance, monkeypatch)
    table.compact()
    one = table.dataset().get_fragments(filter=pads.field("interval_start") == pa.scalar(ODD.start))
    assert len(list(one)) == 1
    assert len(table.dataset(ODD.start, ODD.end).files) == 1


def test_vacuum_keeps_what_a_kept_version_names_and_deletes_the_rest(table: Table, provenance: Provenance) -> None:
    for number in range(6):
        table.write(DAYS[0], pa.table({"n": [number]}), provenance=provenance)
    done = table.vacuum([1, 3], timedelta(0))
    assert done.files == 3
    assert done.kept_versions == (1, 3, 5)
    assert [table.read(version=number)["n"].to_pylist() for number in (1, 3, 5)] == [[1], [3], [5]]
    with pytest.raises(FileNotFoundError):
        table.read(version=2)
    assert table.vacuum([1, 3], timedelta(0)).files == 0


def test_vacuum_keeps_what_is_young(table: Table, provenance: Provenance) -> None:
    for number in range(3):
        table.write(DAYS[0], pa.table({"n": [number]}), provenance=provenance)
    leftover = Path(table._snapshots.storage.path(table.name)) / "part-of-a-killed-writer.parquet"
    leftover.write_bytes(b"x")
    assert table.vacuum([], timedelta(hours=1)).files == 0
    yesterday = datetime.now(UTC).timestamp() - 86_400
    os.utime(leftover, (yesterday, yesterday))
    assert table.vacuum([], timedelta(hours=1)).files == 1
    assert not leftover.exists()
    assert table.read(version=0)["n"].to_pylist() == [0]


def test_vacuum_after_compaction_keeps_the_joined_files(
    table: Table, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_files(table, provenance, monkeypatch)
    table.compact()
    assert table.vacuum([], timedelta(0)).files == 18
    assert all(check.ok for check in table.verify())


def test_a_table_that_does_not_exist_needs_no_maintenance(lake: Lake) -> None:
    table = lake.table("raw/nothing")
    assert table.compact().as_dict() == {"table": "raw/nothing", "files_before": 0, "files_after": 0, "skipped": False}
    assert table.vacuum([], timedelta(0)).as_dict()["files"] == 0


def test_the_log_is_read_from_its_start_where_a_checkpoint_is_broken(table: Table, provenance: Provenance) -> None:
    for number in range(45):
        table.write(DAYS[number % 5], pa.table({"n": [number]}), provenance=provenance)
    root = table._snapshots.storage.root
    log = Path(table._snapshots.storage.path(table.name), "_delta_log")
    checkpoints = sorted(log.glob("*.checkpoint.parquet"))
    assert checkpoints
    expected = table.intervals()
    assert Lake(root).table(table.name).intervals() == expected
    assert Lake(root).table(table.name).intervals(version=2) == DAYS[:3]
    (log / "_last_checkpoint").unlink()
    assert Lake(root).table(table.name).intervals() == expected
