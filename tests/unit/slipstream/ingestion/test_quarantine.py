"""Corrected rows come back into their interval exactly once."""

from __future__ import annotations

import json

import pytest

from slipstream.errors import NotFoundError, ReleaseError
from slipstream.ingestion.quarantine import list_quarantine, release, show

from .conftest import DAY, HEADER, RUN
from .test_contract import BETWEEN, expect

AT = "2013-01-31T06:00:00Z"
GOOD, BAD, WORSE = f"1,Paris,7.5,{AT}\n", f"2,Rome,x,{AT}\n", f"3,Bern,500,{AT}\n"


@pytest.fixture
def source(world):
    source = world.source(expectations=[BETWEEN])
    world.land(HEADER + GOOD + BAD + WORSE)
    world.ingest(source)
    return source


def ids(world, source):
    return {row["line"]: row["id"] for row in world.quarantine(source)}


def let_in(world, source, corrections):
    return release(source, DAY, corrections, lake=world.lake, run=RUN)


def trips(world, source):
    return {row["trip"]: row["fare"] for row in world.rows(source, "trip", "fare")}


def test_a_corrected_row_comes_into_its_interval(world, source):
    found = let_in(world, source, {ids(world, source)[3]: {"fare": "9.5"}})
    assert (found.accepted, found.quarantined, found.changed) == (2, 1, True)
    assert trips(world, source) == {1: 7.5, 2: 9.5}
    assert [row["released"] for row in world.quarantine(source)] == [True, False]


def test_to_release_again_changes_nothing(world, source):
    corrections = {ids(world, source)[3]: {"fare": 9.5}}
    first = let_in(world, source, corrections)
    again = let_in(world, source, corrections)
    assert (again.changed, again.digest, again.version) == (False, first.digest, first.version)


def test_rows_released_one_after_another_are_all_there(world, source):
    places = ids(world, source)
    let_in(world, source, {places[3]: {"fare": 9}})
    let_in(world, source, {places[4]: {"fare": 50}})
    assert trips(world, source) == {1: 7.5, 2: 9, 3: 50}
    assert trips(world, source) == {1: 7.5, 2: 9, 3: 50}


def test_to_ingest_again_keeps_what_was_released_and_doubles_nothing(world, source):
    first = let_in(world, source, {ids(world, source)[3]: {"fare": 9}})
    again = world.ingest(source)
    assert (again.changed, again.digest, again.released) == (False, first.digest, 1)
    assert (again.rows_in, again.accepted, again.quarantined) == (3, 2, 1)


def test_a_release_survives_a_file_in_which_lines_have_moved(world, source):
    let_in(world, source, {ids(world, source)[3]: {"fare": 9}})
    world.land(HEADER + f"7,Oslo,3,{AT}\n" + WORSE + BAD + GOOD)
    assert world.ingest(source).accepted == 3
    assert trips(world, source) == {1: 7.5, 2: 9, 7: 3}


def test_a_release_gives_way_when_the_row_is_sent_in_order(world, source):
    let_in(world, source, {ids(world, source)[3]: {"fare": 9}})
    world.land(HEADER + GOOD + BAD.replace("x", "11"))
    assert world.ingest(source).quarantined == 0
    assert trips(world, source) == {1: 7.5, 2: 11}


def test_a_release_whose_key_has_arrived_meanwhile_stays_set_aside(world, source):
    let_in(world, source, {ids(world, source)[3]: {"fare": 9}})
    world.land(HEADER + GOOD + BAD + f"2,Rome,12,{AT}\n")
    published = world.ingest(source)
    assert (published.accepted, published.quarantined) == (2, 1)
    assert "does not pass any more" in world.quarantine(source)[0]["reason"]


def test_a_crash_between_the_two_writes_is_mended_by_releasing_again(world, source, monkeypatch):
    from slipstream.lake.tables import Table

    corrections = {ids(world, source)[3]: {"fare": 9}}
    whole = Table.write

    def crash(table, *args, **kwargs):
        if table.name == source.table:
            raise KeyboardInterrupt
        return whole(table, *args, **kwargs)

    monkeypatch.setattr(Table, "write", crash)
    with pytest.raises(KeyboardInterrupt):
        let_in(world, source, corrections)
    monkeypatch.undo()
    assert trips(world, source) == {1: 7.5}
    assert let_in(world, source, corrections).changed
    assert trips(world, source) == {1: 7.5, 2: 9}
    assert not let_in(world, source, corrections).changed


def test_a_crash_between_the_two_writes_is_mended_by_ingesting_again(world, source, monkeypatch):
    from slipstream.lake.tables import Table

    whole = Table.write
    monkeypatch.setattr(
        Table, "write", lambda table, *a, **k: 1 / 0 if table.name == source.table else whole(table, *a, **k)
    )
    with pytest.raises(ZeroDivisionError):
        let_in(world, source, {ids(world, source)[3]: {"fare": 9}})
    monkeypatch.undo()
    world.ingest(source)
    assert trips(world, source) == {1: 7.5, 2: 9}


@pytest.mark.parametrize(
    ("correction", "reason"),
    [
        ({"fare": "y"}, "wanted a finite number, found 'y'"),
        ({"fare": 500}, "Fares are 1 to 100"),
        ({"fare": 9, "trip": 1}, "holds a row of the same key"),
        ({"fare": 9, "trip": None}, "part of the key"),
        ({"fares": 9}, "there is no column fares"),
    ],
)
def test_all_corrections_are_refused_where_one_is_no_good_row(world, source, correction, reason):
    places = ids(world, source)
    with pytest.raises(ReleaseError, match=reason):
        let_in(world, source, {places[3]: correction, places[4]: {"fare": 50}})
    assert trips(world, source) == {1: 7.5}
    assert not any(row["released"] for row in world.quarantine(source))


def test_two_corrections_of_one_key_are_refused(world, source):
    places = ids(world, source)
    with pytest.raises(ReleaseError, match="Another correction has the same key"):
        let_in(world, source, {places[3]: {"fare": 9}, places[4]: {"fare": 9, "trip": 2}})


def test_a_release_is_not_changed_behind_its_back(world, source):
    places = ids(world, source)
    let_in(world, source, {places[3]: {"fare": 9}})
    with pytest.raises(ReleaseError, match="released with another correction"):
        let_in(world, source, {places[3]: {"fare": 10}})
    with pytest.raises(ReleaseError, match="has no such row"):
        let_in(world, source, {"nobody": {"fare": 10}})


def test_a_record_without_columns_wants_all_of_them(world):
    source = world.source()
    world.land(HEADER + GOOD + "2,Ro,me,1,2013-01-31\n")
    world.ingest(source)
    [row] = world.quarantine(source)
    with pytest.raises(ReleaseError, match="missing: trip, fare, at"):
        let_in(world, source, {row["id"]: {"city": "Rome"}})
    let_in(world, source, {row["id"]: {"trip": 2, "city": "Ro,me", "fare": 1, "at": "2013-01-31"}})
    assert trips(world, source) == {1: 7.5, 2: 1}


def test_rows_of_one_key_can_be_told_apart_by_a_release(world):
    source = world.source()
    world.land(HEADER + GOOD + GOOD.replace("7.5", "8"))
    assert world.ingest(source).accepted == 0
    keep = world.quarantine(source)[1]["id"]
    assert let_in(world, source, {keep: {}}).accepted == 1
    assert trips(world, source) == {1: 8}


def test_a_release_obeys_halting_expectations(world):
    from slipstream.errors import BatchRejectedError

    source = world.source(expectations=[expect("table_row_count_to_be_between", "halt", max_value=1)])
    world.land(HEADER + GOOD + BAD)
    world.ingest(source)
    with pytest.raises(BatchRejectedError, match="observed 2"):
        let_in(world, source, {world.quarantine(source)[0]["id"]: {"fare": 9}})
    assert trips(world, source) == {1: 7.5}


def test_the_quarantine_lists_intervals_and_shows_who_set_rows_aside(world, source):
    [found] = list_quarantine(world.lake)
    assert found.as_dict() == {
        "source": "trips",
        "interval": str(DAY),
        "rows": 2,
        "released": 0,
        "reasons": {"expect_column_values_to_be_between": 1, "type": 1},
    }
    assert list_quarantine(world.lake, "other") == []
    assert list_quarantine(world.lake, start=DAY.end) == []
    row = show("trips", DAY, lake=world.lake)[0]
    assert row["run"]["dag_id"] == RUN.dag_id
    assert json.loads(row["raw"]) == {"trip": "2", "city": "Rome", "fare": "x", "at": AT}
    with pytest.raises(NotFoundError, match="has no row nobody"):
        show("trips", DAY, lake=world.lake, ids=("nobody",))
