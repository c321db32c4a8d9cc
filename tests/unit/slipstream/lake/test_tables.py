from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from slipstream.errors import IncompleteError, NotFoundError, SchemaError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run, Table, digest_rows

UTC_TIME = pa.timestamp("us", "UTC")


def day(number: int, *, length: int = 1) -> Interval:
    start = datetime(2013, 1, number, tzinfo=UTC)
    return Interval(start, start + timedelta(days=length))


def hour(day_number: int, number: int) -> Interval:
    start = datetime(2013, 1, day_number, number, tzinfo=UTC)
    return Interval(start, start + timedelta(hours=1))


def test_what_is_written_is_read_back_with_its_interval(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    commit = table.write(day(1), rows, provenance=provenance)
    read = table.read()
    assert read.select(rows.column_names).sort_by("known_at").to_pylist()[0] == rows.to_pylist()[0]
    assert read.schema.field("interval_start").type == UTC_TIME
    assert set(read["interval_start"].to_pylist()) == {day(1).start}
    assert (commit.rows, commit.changed, commit.version, commit.interval) == (3, True, 0, day(1))
    assert commit.digest == digest_rows(rows).hex == digest_rows(read).hex


def test_the_same_rows_again_are_no_commit(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    first = table.write(day(1), rows, provenance=provenance)
    again = table.write(day(1), rows.take([2, 0, 1]), provenance=Provenance(Run.local()))
    assert (again.changed, again.version, again.digest) == (False, first.version, first.digest)
    assert again.provenance == first.provenance
    assert table.version() == 0
    assert len(table.dataset().files) == 1


def test_other_rows_replace_exactly_their_interval(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    for number in (1, 2, 3):
        table.write(day(number), rows, provenance=provenance)
    table.write(day(2), rows.slice(0, 1), provenance=provenance)
    assert [table.read(day(n).start, day(n).end).num_rows for n in (1, 2, 3)] == [3, 1, 3]
    assert table.read(version=2).num_rows == 9


def test_an_empty_interval_is_complete_and_has_the_schema(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows.slice(0, 0), provenance=provenance)
    assert table.complete(day(1))
    assert table.read().num_rows == 0
    assert table.schema().names == ["interval_start", *rows.column_names]
    assert not table.write(day(1), rows.slice(0, 0), provenance=provenance).changed


def test_an_interval_can_become_empty(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    assert table.write(day(1), rows.slice(0, 0), provenance=provenance).changed
    assert table.read().num_rows == 0
    assert table.complete(day(1))


def test_what_was_not_written_is_missing(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    assert table.missing([day(1), day(2)]) == [day(1), day(2)]
    table.write(day(2), rows, provenance=provenance)
    assert table.missing([day(3), day(2), day(1)]) == [day(3), day(1)]
    assert table.intervals() == [day(2)]


def test_completeness_is_known_for_every_version(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    for number in range(1, 30):
        table.write(day(number), rows, provenance=provenance)
    fresh = Lake(table._snapshots.storage.root).table(table.name)
    assert fresh.complete(day(5), version=4)
    assert not fresh.complete(day(6), version=4)
    assert fresh.intervals(version=24) == [day(n) for n in range(1, 26)]
    assert fresh.intervals() == [day(n) for n in range(1, 30)]


def test_a_day_replaces_its_hours(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    for number in range(24):
        table.write(hour(1, number), rows, provenance=provenance)
    assert table.complete(day(1))
    assert not table.complete(day(1, length=2))
    commit = table.write(day(1), rows, provenance=provenance)
    assert commit.superseded == tuple(hour(1, number) for number in range(24))
    assert table.read().num_rows == 3
    assert table.complete(day(1))
    assert not table.complete(hour(1, 3))
    assert table.intervals() == [day(1)]


def test_an_hour_replaces_its_day_which_is_then_missing(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    table.write(hour(1, 5), rows.slice(0, 1), provenance=provenance)
    assert table.missing([day(1), hour(1, 5), hour(1, 6)]) == [day(1), hour(1, 6)]
    assert table.read().num_rows == 1
    assert table.write(day(1), rows, provenance=provenance).changed
    assert table.read().num_rows == 3


def test_columns_rows_and_files_that_are_not_asked_for_are_not_read(
    table: Table, rows: pa.Table, provenance: Provenance
) -> None:
    for number in (1, 2, 3):
        later = pc.add(rows["known_at"], pa.scalar(timedelta(days=number)))
        table.write(day(number), rows.set_column(2, "known_at", later), provenance=provenance)
    late = pc.field("known_at") >= pa.scalar(datetime(2013, 1, 4, tzinfo=UTC), UTC_TIME)
    assert table.read(columns=["delay"], where=late).column_names == ["delay"]
    assert table.read(where=late).num_rows == 3
    assert len(list(table.dataset().get_fragments(filter=late))) == 1
    assert len(table.dataset(day(2).start, day(4).start).files) == 2
    assert table.read(day(5).start, day(9).start).schema == table.schema()


def test_batches_give_what_read_gives(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    reader = table.batches(day(1).start, columns=["flight"])
    assert reader.read_all() == table.read(columns=["flight"])


def test_duckdb_reads_the_dataset(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    table.write(day(2), rows, provenance=provenance)
    flights = table.dataset(version=0)
    query = "select count(*), count(flight) from flights where interval_start >= '2013-01-01T00:00:00Z'"
    with duckdb.connect() as connection:
        connection.register("flights", flights)
        assert connection.execute(query).fetchall() == [(3, 2)]


def test_new_columns_join_the_table(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    before = table.write(day(1), rows, provenance=provenance)
    table.write(day(2), rows.append_column("gate", pa.array(["a", "b", "c"])), provenance=provenance)
    assert table.read(day(1).start, day(1).end)["gate"].null_count == 3
    assert "gate" not in table.schema(version=0).names
    assert table.write(day(1), rows, provenance=provenance).digest == before.digest
    assert table.version() == 1
    assert all(check.ok for check in table.verify())


def test_a_column_of_local_times_may_join_later(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    local = pa.array([datetime(2013, 1, 1, 7)] * 3, pa.timestamp("us"))
    table.write(day(2), rows.append_column("local", local), provenance=provenance)
    assert table.read(day(2).start)["local"].to_pylist() == local.to_pylist()
    assert all(check.ok for check in table.verify())


def test_a_changed_type_is_refused_and_nothing_is_written(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    wrong = rows.set_column(1, "delay", pa.array(["late", "", None]))
    with pytest.raises(SchemaError, match=r"'delay'.*is double; found string"):
        table.write(day(1), wrong, provenance=provenance)
    assert table.version() == 0


def test_any_arrow_layout_is_stored_as_one(table: Table, provenance: Provenance) -> None:
    zoned = pa.array([datetime(2013, 1, 1, 5, tzinfo=UTC)], pa.timestamp("ms", "America/New_York"))
    odd = pa.table(
        {
            "text": pa.array(["a"]).dictionary_encode(),
            "large": pa.array(["b"], pa.large_string()),
            "at": zoned,
            "count": pa.array([7], pa.uint32()),
            "tags": pa.array([["x"]], pa.large_list(pa.large_string())),
        }
    )
    commit = table.write(day(1), odd, provenance=provenance)
    read = table.read(columns=odd.column_names)
    kinds = [pa.string(), pa.string(), UTC_TIME, pa.int64()]
    assert read.schema.types[:4] == kinds
    assert read.to_pylist() == [
        {"text": "a", "large": "b", "at": datetime(2013, 1, 1, 5, tzinfo=UTC), "count": 7, "tags": ["x"]}
    ]
    assert table.verify()[0].ok
    assert commit.digest == digest_rows(odd).hex


def test_a_column_of_nulls_takes_the_type_that_the_table_knows(
    table: Table, rows: pa.Table, provenance: Provenance
) -> None:
    table.write(day(1), rows, provenance=provenance)
    table.write(day(2), rows.set_column(0, "flight", pa.nulls(3)), provenance=provenance)
    assert table.read(day(2).start)["flight"].type == pa.string()
    with pytest.raises(SchemaError, match="has no type"):
        table.write(day(3), pa.table({"other": pa.nulls(1)}), provenance=provenance)


def test_a_reader_is_written_in_row_groups(table: Table, provenance: Provenance) -> None:
    schema = pa.schema({"n": pa.int64()})
    batches = (pa.record_batch({"n": list(range(k * 1000, (k + 1) * 1000))}) for k in range(300))
    commit = table.write(day(1), pa.RecordBatchReader.from_batches(schema, batches), provenance=provenance)
    fragment = next(iter(table.dataset().get_fragments()))
    assert commit.rows == 300_000
    assert [group.num_rows for group in fragment.row_groups] == [131_072, 928, 131_072, 928, 36_000]
    assert sorted(table.read()["n"].to_pylist()) == list(range(300_000))


def test_rows_are_sorted_before_they_are_written(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows.take([2, 1, 0]), provenance=provenance, sort_by=["known_at"])
    assert table.read()["known_at"].to_pylist() == sorted(rows["known_at"].to_pylist())
    with pytest.raises(SchemaError, match="found a reader"):
        table.write(day(1), rows.to_reader(), provenance=provenance, sort_by=["known_at"])


def test_rows_that_were_read_can_be_written_again(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    assert not table.write(day(1), table.read(), provenance=provenance).changed


def test_commits_tell_who_wrote_what_from_what(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.write(day(1), rows, provenance=provenance)
    table.write(day(2), rows, provenance=Provenance(Run.local(by="ada")))
    table.write(day(1), rows.slice(1), provenance=provenance)
    assert [commit.version for commit in table.commits()] == [2, 1, 0]
    assert [commit.rows for commit in table.commits(interval=day(1))] == [2, 3]
    assert [commit.version for commit in table.commits(limit=1)] == [2]
    commit = table.commit_of(day(1))
    assert commit is not None
    assert commit.provenance == {
        "run": {
            "dag_id": "flights.ingestion",
            "run_id": "manual",
            "task_id": "publish_batch",
            "try_number": 2,
            "by": None,
        },
        "inputs": {"raw/planes": 4},
        "definition": "d1",
        "reads": "",
        "extra": {},
    }
    assert commit.as_dict()["interval"] == "2013-01-01T00:00:00Z/2013-01-02T00:00:00Z"
    assert table.commit_of(day(1), version=1) == table.commits(interval=day(1))[1]
    assert table.commit_of(day(7)) is None


def test_verify_finds_rows_that_were_tampered_with(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    for number in (1, 2, 3):
        table.write(day(number), rows, provenance=provenance)
    folder = Path(table._snapshots.storage.path(table.name))
    changed, garbled = (folder / table.dataset(day(n).start, day(n).end).files[0] for n in (2, 3))
    size = changed.stat().st_size
    other = rows.set_column(1, "delay", pa.array([2.5, float("nan"), None]))
    pq.write_table(other, changed, compression="zstd", store_schema=False)
    assert changed.stat().st_size == size  # else reading it would fail, which is the next case
    garbled.write_bytes(b"garbage")
    checks = table.verify()
    assert [(check.interval, check.ok) for check in checks] == [(day(1), True), (day(2), False), (day(3), False)]
    assert checks[2].digest_found.startswith("unreadable")


def test_what_does_not_exist_is_said_plainly(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    with pytest.raises(NotFoundError, match="Wanted table 'raw/flights'; found none"):
        table.read()
    assert table.commits() == []
    assert table.verify() == []
    table.write(day(1), rows, provenance=provenance)
    with pytest.raises(SchemaError, match=r"Did you mean \['delay'\]"):
        table.read(columns=["dealy"])
    with pytest.raises(NotFoundError, match="found versions 0 to 0"):
        table.read(version=3)
    with pytest.raises(IncompleteError, match="not complete"):
        table.verify(day(2))


STEPS = st.lists(
    st.tuples(st.integers(1, 3), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "a", None])), max_size=3)),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, repeats=st.lists(st.booleans(), min_size=6, max_size=6))
def test_after_any_writes_each_interval_holds_the_last_rows_written_to_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list, repeats: list[bool]
) -> None:
    table = Lake(tmp_path_factory.mktemp("lake")).table("raw/t")
    expected: dict[int, pa.Table] = {}
    for (number, values), repeat in zip(steps, repeats, strict=False):
        content = pa.table(
            {"n": pa.array([n for n, _ in values], pa.int64()), "s": pa.array([s for _, s in values], pa.string())}
        )
        before = expected.get(number)
        commit = table.write(day(number), content, provenance=Provenance(Run.local()))
        assert commit.changed == (before is None or digest_rows(before) != digest_rows(content))
        if repeat:
            again = table.write(
                day(number),
                content.take(list(range(len(values)))[::-1]) if values else content,
                provenance=Provenance(Run.local()),
            )
            assert not again.changed
        expected[number] = content
    assert table.intervals() == [day(number) for number in sorted(expected)]
    for number, content in expected.items():
        assert digest_rows(table.read(day(number).start, day(number).end)) == digest_rows(content)
    assert all(check.ok for check in table.verify())
