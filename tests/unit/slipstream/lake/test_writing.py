"""Writers that meet: on one interval, on several, when the table is not there yet, and when one is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from slipstream.errors import SchemaError, WriteConflictError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run, Table, digest_rows

Start = Callable[[str], subprocess.Popen[str]]


def day(number: int, *, length: int = 1) -> Interval:
    start = datetime(2013, 1, number, tzinfo=UTC)
    return Interval(start, start + timedelta(days=length))


def hour(day_number: int, number: int) -> Interval:
    start = datetime(2013, 1, day_number, number, tzinfo=UTC)
    return Interval(start, start + timedelta(hours=1))


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def meanwhile(rows: pa.Table, action: Callable[[], object]) -> pa.RecordBatchReader:
    """Return a reader of ``rows`` that does something after its first row, so that two writes overlap."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows.slice(0, 1).to_batches()
        action()
        yield from rows.slice(1).to_batches()

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def parquet_files(table: Table) -> set[str]:
    folder = Path(table._snapshots.storage.path(table.name))
    return {str(path.relative_to(folder)) for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts}


@pytest.mark.parametrize("existed", [False, True])
def test_the_slower_of_two_writers_of_an_interval_loses_with_a_retriable_error(
    lake: Lake, table: Table, provenance: Provenance, existed: bool
) -> None:
    if existed:
        table.write(day(1), numbers(0), provenance=provenance)
    other = lake.table(table.name)
    overlapped = meanwhile(numbers(1, 2), lambda: other.write(day(1), numbers(3, 4), provenance=provenance))
    with pytest.raises(WriteConflictError, match=r"Nothing of this write was kept; try again"):
        table.write(day(1), overlapped, provenance=provenance)
    assert sorted(table.read()["n"].to_pylist()) == [3, 4]
    assert len(table.dataset().files) == 1
    assert len(parquet_files(table)) == 1 + existed
    table.write(day(1), numbers(1, 2), provenance=provenance)
    assert sorted(table.read()["n"].to_pylist()) == [1, 2]


def test_two_writers_of_the_same_rows_both_end_well(lake: Lake, table: Table, provenance: Provenance) -> None:
    other = lake.table(table.name)
    overlapped = meanwhile(numbers(1, 2), lambda: other.write(day(1), numbers(2, 1), provenance=provenance))
    assert not table.write(day(1), overlapped, provenance=provenance).changed
    assert sorted(table.read()["n"].to_pylist()) == [1, 2]
    assert table.version() == 0


@pytest.mark.parametrize("existed", [False, True])
def test_writers_of_different_intervals_do_not_disturb_each_other(
    lake: Lake, table: Table, provenance: Provenance, existed: bool
) -> None:
    if existed:
        table.write(day(9), numbers(0), provenance=provenance)
    other = lake.table(table.name)

    def write_others() -> None:
        for number in (2, 3):
            other.write(day(number), numbers(number).append_column("new", pa.array(["x"])), provenance=provenance)

    assert table.write(day(1), meanwhile(numbers(1, 1), write_others), provenance=provenance).changed
    assert sorted(table.read(end=day(4).start)["n"].to_pylist()) == [1, 1, 2, 3]
    assert all(check.ok for check in table.verify())


def test_both_writers_may_bring_new_columns(lake: Lake, table: Table, provenance: Provenance) -> None:
    table.write(day(9), numbers(0), provenance=provenance)
    theirs, ours = (numbers(1, 2).append_column(name, pa.array([1, 2])) for name in ("theirs", "ours"))
    other = lake.table(table.name)
    table.write(
        day(1), meanwhile(ours, lambda: other.write(day(2), theirs, provenance=provenance)), provenance=provenance
    )
    assert set(table.schema().names) == {"interval_start", "n", "theirs", "ours"}
    assert all(check.ok for check in table.verify())


def test_a_type_that_somebody_else_chose_meanwhile_is_refused(lake: Lake, table: Table, provenance: Provenance) -> None:
    other = lake.table(table.name)
    texts = pa.table({"n": ["text"]})
    overlapped = meanwhile(numbers(1, 2), lambda: other.write(day(2), texts, provenance=provenance))
    with pytest.raises(SchemaError, match="is string; found int64"):
        table.write(day(1), overlapped, provenance=provenance)
    assert table.intervals() == [day(2)]


def test_an_hour_and_its_day_at_once_are_a_conflict(lake: Lake, table: Table, provenance: Provenance) -> None:
    other = lake.table(table.name)
    overlapped = meanwhile(numbers(1, 2), lambda: other.write(hour(1, 5), numbers(7), provenance=provenance))
    with pytest.raises(WriteConflictError):
        table.write(day(1), overlapped, provenance=provenance)
    assert table.read()["n"].to_pylist() == [7]


def test_compaction_meanwhile_disturbs_no_writer(lake: Lake, table: Table, provenance: Provenance) -> None:
    table.write(day(1), numbers(0), provenance=provenance)
    other = lake.table(table.name)
    table.write(day(1), meanwhile(numbers(1, 2), other.compact), provenance=provenance)
    assert sorted(table.read()["n"].to_pylist()) == [1, 2]


def test_rows_that_fail_halfway_leave_nothing(table: Table, provenance: Provenance) -> None:
    def fail() -> None:
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        table.write(day(1), meanwhile(numbers(1, 2), fail), provenance=provenance)
    assert not table.exists()
    assert parquet_files(table) == set()


RACE = """
from slipstream.errors import WriteConflictError
me, same = int(sys.argv[2]), sys.argv[3] == "same"
say("ready")
wait()
for start in range(1, 9):
    interval = Interval.parse(f"2013-01-{start if same else start + 9 * me:02d}")
    try:
        commit = table.write(interval, pa.table({"n": [me] * 50, "start": [start] * 50}), provenance=provenance)
        say("won" if commit.changed else "same")
    except WriteConflictError:
        say("lost")
"""


def run_race(start_process: Callable[..., subprocess.Popen[str]], kind: str) -> list[list[str]]:
    writers = [start_process(RACE, str(number), kind) for number in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    outputs = [writer.communicate(timeout=120)[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    return outputs


def test_processes_that_race_for_the_same_intervals_leave_one_writers_rows(
    table: Table, start_process: Callable[..., subprocess.Popen[str]]
) -> None:
    outputs = run_race(start_process, "same")
    assert table.intervals() == [day(number) for number in range(1, 9)]
    for number in range(1, 9):
        read = table.read(day(number).start, day(number).end)
        assert len(set(read["n"].to_pylist())) == 1
        assert read["start"].to_pylist() == [number] * 50
    wins = sum(word == "won" for output in outputs for word in output)
    assert len(table.commits()) == wins >= 8
    assert all(check.ok for check in table.verify())


def test_processes_on_different_intervals_all_win(
    table: Table, start_process: Callable[..., subprocess.Popen[str]]
) -> None:
    outputs = run_race(start_process, "different")
    assert outputs == [["won"] * 8] * 3
    assert len(table.intervals()) == 24
    assert table.read().num_rows == 24 * 50
    assert all(check.ok for check in table.verify())


STALL = """
from slipstream.lake.files import Staging
from slipstream.lake.writing import Writer
import slipstream.lake.files
slipstream.lake.files.GROUP_ROWS = 1
moment = sys.argv[2]
def stall(*_, **__):
    say("stalled")
    wait()
def batches():
    yield from pa.table({"n": [8]}).to_batches()
    if moment == "between batches":
        stall()
    yield from pa.table({"n": [9]}).to_batches()
if moment == "before the commit":
    Writer._attempt = stall
if moment == "at the commit":
    Writer._create = Writer._replace = stall
if moment == "before a file ends":
    Staging.finish = stall
schema = pa.schema({"n": pa.int64()})
table.write(Interval.parse("2013-01-01"), pa.RecordBatchReader.from_batches(schema, batches()), provenance=provenance)
"""


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("moment", ["between batches", "before a file ends", "before the commit", "at the commit"])
def test_a_killed_writer_leaves_the_table_as_it_was(
    table: Table,
    provenance: Provenance,
    start_process: Callable[..., subprocess.Popen[str]],
    moment: str,
    existed: bool,
) -> None:
    if existed:
        table.write(day(1), numbers(1, 2), provenance=provenance)
    writer = start_process(STALL, moment)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "stalled\n"
    assert len(parquet_files(table)) == 1 + existed  # it was truly in the middle of it
    writer.kill()
    assert writer.wait(30) == -9
    assert table.version() == (0 if existed else None)
    assert table.complete(day(1)) is existed
    if existed:
        assert sorted(table.read()["n"].to_pylist()) == [1, 2]
    commit = table.write(day(1), numbers(8, 9), provenance=provenance)
    assert commit.changed
    assert sorted(table.read()["n"].to_pylist()) == [8, 9]
    assert all(check.ok for check in table.verify())


RESTLESS = """
interval = Interval.parse("2013-01-01")
for turn in range(10_000):
    table.write(interval, pa.table({"n": [turn % 2] * 1000}), provenance=provenance)
    say("wrote")
"""


def test_a_writer_killed_at_any_instant_leaves_one_whole_write(table: Table, start_process: Start) -> None:
    for commits in (1, 4, 9, 23):
        writer = start_process(RESTLESS)
        assert writer.stdout is not None
        for _ in range(commits):
            assert writer.stdout.readline() == "wrote\n"
        writer.kill()
        writer.wait(30)
        values = table.read()["n"].to_pylist()
        assert values in ([0] * 1000, [1] * 1000)
        assert [check.ok for check in table.verify()] == [True]


def test_appends_compare_and_swap_the_version(lake: Lake, provenance: Provenance) -> None:
    ledger = lake.table("ledger/promotions")
    assert ledger.append(numbers(1), expected_version=None, provenance=provenance).version == 0
    assert ledger.append(numbers(2), expected_version=0, provenance=provenance).version == 1
    for expected in (None, 0, 7):
        with pytest.raises(WriteConflictError, match="found version 1"):
            ledger.append(numbers(3), expected_version=expected, provenance=provenance)
    assert sorted(ledger.read()["n"].to_pylist()) == [1, 2]
    assert [commit.interval for commit in ledger.commits()] == [None, None]
    assert digest_rows(ledger.read(version=0)).hex == ledger.commits()[1].digest


def test_a_ledger_may_grow_columns(lake: Lake, provenance: Provenance) -> None:
    ledger = lake.table("ledger/promotions")
    ledger.append(numbers(1), expected_version=None, provenance=provenance)
    local = pa.array([0], pa.timestamp("us"))
    wider = numbers(2).append_column("by", pa.array(["ada"])).append_column("at", local)
    commit = ledger.append(wider, expected_version=0, provenance=provenance)
    assert commit.version == ledger.version()
    assert ledger.read().sort_by("n")["by"].to_pylist() == [None, "ada"]


APPEND = """
from slipstream.errors import WriteConflictError
ledger = Lake(sys.argv[1]).table("ledger/promotions")
say("ready")
wait()
done = 0
while done < 5:
    try:
        ledger.append(pa.table({"n": [done]}), expected_version=ledger.version(), provenance=provenance)
        done += 1
    except WriteConflictError:
        pass
say("done")
"""


def test_racing_appends_lose_nothing_and_repeat_nothing(lake: Lake, start_process: Start) -> None:
    writers = [start_process(APPEND) for _ in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    outputs = [writer.communicate("go\n", timeout=120)[0] for writer in writers]
    assert outputs == ["done\n"] * 3
    ledger = lake.table("ledger/promotions")
    assert sorted(ledger.read()["n"].to_pylist()) == sorted([0, 1, 2, 3, 4] * 3)
    assert ledger.version() == 14


def test_the_two_kinds_of_table_are_not_mixed_up(lake: Lake, table: Table, provenance: Provenance) -> None:
    ledger = lake.table("ledger/promotions")
    with pytest.raises(SchemaError, match="may not have a column 'interval_start'"):
        ledger.append(pa.table({"interval_start": [1]}), expected_version=None, provenance=provenance)
    ledger.append(numbers(1), expected_version=None, provenance=provenance)
    table.write(day(1), numbers(1), provenance=provenance)
    with pytest.raises(SchemaError, match=r"Use Table\.append"):
        ledger.write(day(1), numbers(1), provenance=provenance)
    with pytest.raises(SchemaError, match=r"Use Table\.write"):
        table.append(numbers(1), expected_version=0, provenance=provenance)


def of(definition: str, reads: str = "") -> Provenance:
    return Provenance(run=Run.local("tester"), definition=definition, reads=reads)


@pytest.mark.parametrize("rows", [numbers(1, 2), numbers()])
def test_the_same_rows_of_another_definition_are_recorded_once_and_without_files(table: Table, rows: pa.Table) -> None:
    first = table.write(day(1), rows, provenance=of("old", "a"))
    table.write(day(2), numbers(3), provenance=of("old"))
    files = parquet_files(table)

    again = table.write(day(1), rows, provenance=of("new", "a"))
    assert (again.changed, again.digest, again.rows) == (False, first.digest, first.rows)
    assert again.version == 2
    assert table.write(day(1), rows, provenance=of("new", "a")).version == 2
    assert table.write(day(1), rows, provenance=of("new", "b")).version == 3
    assert table.write(day(1), rows, provenance=of("")).version == 3  # nothing is known of these, so nothing is said

    assert parquet_files(table) == files
    assert table.commit_of(day(1)).provenance["reads"] == "b"
    assert table.intervals() == [day(1), day(2)]
    assert sorted(table.read()["n"].to_pylist()) == sorted([*rows["n"].to_pylist(), 3])
    assert all(each.ok for each in table.verify())
    assert table.contents([day(1)]) == {day(1): first.digest}


def test_two_that_record_the_same_rows_anew_at_once_both_end_well(lake: Lake, table: Table) -> None:
    table.write(day(1), numbers(1, 2), provenance=of("old"))
    other = lake.table(table.name)
    overlapped = meanwhile(numbers(1, 2), lambda: other.write(day(1), numbers(1, 2), provenance=of("new")))
    assert not table.write(day(1), overlapped, provenance=of("new")).changed
    assert table.version() == 1
    overlapped = meanwhile(numbers(1, 2), lambda: other.write(day(2), numbers(5), provenance=of("new")))
    assert not table.write(day(1), overlapped, provenance=of("newer")).changed
    assert table.intervals() == [day(1), day(2)]
    assert table.commit_of(day(1)).provenance["definition"] == "newer"


def test_a_column_that_others_brought_meanwhile_does_not_disturb_the_record(table: Table) -> None:
    table.write(day(1), numbers(1, 2), provenance=of("old"))
    table.write(day(2), numbers(3).append_column("new", pa.array(["x"])), provenance=of("old"))
    assert not table.write(day(1), numbers(1, 2), provenance=of("new")).changed
    assert all(each.ok for each in table.verify())
