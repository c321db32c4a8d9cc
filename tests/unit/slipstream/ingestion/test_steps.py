"""The three steps may be killed and tried again; what they leave is whole."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from slipstream.errors import BatchRejectedError, DefinitionError, IncompleteError, SettingsError, WriteConflictError
from slipstream.ingestion import (
    LoadedBatch,
    PublishedBatch,
    ValidatedBatch,
    ingest,
    load_batch,
    look_for_batch,
    publish_batch,
    set_connection_resolver,
    validate_batch,
)
from slipstream.ingestion.quarantine import release
from slipstream.intervals import Interval
from slipstream.lake import Run
from slipstream.lake.scratch import Scratch

from .conftest import COLUMNS, DAY, HEADER, RUN
from .test_contract import BETWEEN, rows


@pytest.fixture
def where(world):
    return {"lake": world.lake, "settings": world.settings, "run": RUN}


def test_each_step_can_be_done_twice_and_passes_through_json(world, where):
    source = world.source(expectations=[BETWEEN])
    world.land(rows(5, 500, "x", 7))
    load_batch(source, DAY, **where)
    loaded = LoadedBatch.from_dict(json.loads(json.dumps(load_batch(source, DAY, **where).as_dict())))
    assert (loaded.rows_in, loaded.accepted, loaded.quarantined) == (4, 3, 1)
    validate_batch(source, loaded, **where)
    validated = ValidatedBatch.from_dict(json.loads(json.dumps(validate_batch(source, loaded, **where).as_dict())))
    assert (validated.rows_in, validated.accepted, validated.quarantined) == (4, 2, 2)
    published = publish_batch(source, validated, **where)
    again = PublishedBatch.from_dict(json.loads(json.dumps(publish_batch(source, validated, **where).as_dict())))
    assert again == published
    assert world.lake.table(source.table).version() == 0
    assert [path.name for path in Path(world.settings.staging).rglob("*") if path.is_file()] == ["published.json"]


def test_a_publish_killed_between_its_two_writes_is_mended_by_trying_again(world, where, monkeypatch):
    from slipstream.lake.tables import Table

    source = world.source(expectations=[BETWEEN])
    world.land(rows(5, 500))
    validated = validate_batch(source, load_batch(source, DAY, **where), **where)
    whole = Table.write
    monkeypatch.setattr(
        Table, "write", lambda table, *a, **k: 1 / 0 if table.name == source.table else whole(table, *a, **k)
    )
    with pytest.raises(ZeroDivisionError):
        publish_batch(source, validated, **where)
    monkeypatch.undo()
    assert not world.lake.table(source.table).complete(DAY)
    assert publish_batch(source, validated, **where).accepted == 1
    assert len(world.quarantine(source)) == 1


def test_a_staged_batch_that_is_gone_asks_for_load_batch(world, where):
    source = world.source()
    world.land(rows(5))
    loaded = load_batch(source, DAY, **where)
    assert Scratch(world.settings).sweep(older_than=timedelta(hours=1)) == 0
    assert Scratch(world.settings).sweep(older_than=timedelta(0)) > 0
    assert Scratch(world.settings).sweep(older_than=timedelta(0)) == 0
    with pytest.raises(IncompleteError, match="Run load_batch again"):
        validate_batch(source, loaded, **where)


def test_a_sweep_leaves_alone_what_is_not_ours(world):
    theirs = Path(world.settings.staging) / "photographs" / "1.png"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    ours = Path(world.settings.staging) / "scoring" / "m" / "rows.parquet"
    ours.parent.mkdir(parents=True)
    ours.touch()
    assert Scratch(world.settings).sweep(older_than=timedelta(0)) == 1
    assert theirs.exists()
    assert not ours.exists()


def test_to_publish_an_old_batch_over_a_newer_one_is_refused(world, where):
    source = world.source()
    world.land(rows(5))
    old = validate_batch(source, load_batch(source, DAY, **where), **where)
    publish_batch(source, old, **where)
    world.land(rows(6))
    ingest(source, DAY, **{**where, "run": Run.local()})
    with pytest.raises(IncompleteError, match="holds another one since"):
        publish_batch(source, old, **where)


def test_what_is_released_between_two_steps_is_not_lost(world, where):
    source = world.source()
    world.land(rows("x"))
    world.ingest(source)
    validated = validate_batch(source, load_batch(source, DAY, **where), **where)
    entry = world.quarantine(source)[0]
    release(source, DAY, {entry["id"]: {"fare": 7}}, lake=world.lake, run=RUN)
    with pytest.raises(IncompleteError, match=entry["id"]):
        publish_batch(source, validated, **where)
    assert len(world.rows(source)) == 1
    assert world.ingest(source).released == 1


def test_two_batches_of_an_interval_are_never_mixed(world, where, monkeypatch):
    from slipstream.lake.tables import Table

    source = world.source()
    world.land(rows("x", 5))
    first = validate_batch(source, load_batch(source, DAY, **where), **where)
    world.land(rows("y", "z", 6))
    other = {**where, "run": Run.local()}
    second = validate_batch(source, load_batch(source, DAY, **other), **other)
    whole = Table.write

    def overtaken(table, *given, **more):
        if table.name == source.table:
            monkeypatch.undo()
            publish_batch(source, second, **other)
        return whole(table, *given, **more)

    monkeypatch.setattr(Table, "write", overtaken)
    with pytest.raises(WriteConflictError, match="by another run"):
        publish_batch(source, first, **where)
    publish_batch(source, first, **where)
    assert (len(world.rows(source)), len(world.quarantine(source))) == (1, 1)


def test_a_mended_batch_clears_its_quarantine(world):
    source = world.source()
    world.land(rows("x"))
    assert world.ingest(source).quarantined == 1
    world.land(rows("5"))
    assert world.ingest(source).quarantined == 0
    assert world.quarantine(source) == []


def test_several_files_make_one_batch_and_hidden_ones_none(world):
    source = world.source()
    world.land(HEADER + "1,Rome,1,2013-01-31\n", "2013-01-31-a.csv")
    world.land(gzip.compress((HEADER + "2,Rome,1,2013-01-31\n").encode()), "2013-01-31-b.csv.gz")
    world.land("at,fare,city,trip\n2013-01-31,1,Rome,3\nnever,1,Rome,4\n", "2013-01-31-c.csv")
    world.land("rubbish", ".2013-01-31-d.csv")
    world.land("rubbish", "2013-02-01.csv")
    assert world.ingest(source, chunk_rows=1).accepted == 3
    assert [(row["file"], row["line"]) for row in world.quarantine(source)] == [("trips/2013-01-31-c.csv", 3)]


def test_parquet_json_lines_and_csv_give_the_same_rows(world):
    import pyarrow.parquet as pq

    csv, jsonl, parquet = (world.source(format) for format in ("csv", "jsonl", "parquet"))
    world.land(HEADER + "1,Rome,1.5,2013-01-31T06:00:00Z\n2,,,2013-01-31T07:00:00Z\n")
    digest = world.ingest(csv).digest
    lines = [
        '{"trip": 1, "city": "Rome", "fare": 1.5, "at": "2013-01-31T06:00:00Z"}',
        '{"trip": 2, "at": "2013-01-31T07:00Z"}',
    ]
    world.land("\n".join(lines), "2013-01-31.jsonl")
    assert world.ingest(jsonl).digest == digest
    table = world.table(csv).select(list(COLUMNS)).sort_by("trip").set_column(0, "trip", pa.array([1, 2], pa.int32()))
    pq.write_table(table, world.land("", "2013-01-31.parquet"))
    assert world.ingest(parquet).digest == digest


def test_the_sensor_is_told_whether_the_batch_is_there(world):
    source = world.source()
    missing = look_for_batch(source, DAY, settings=world.settings)
    assert not missing.ready
    assert "trips/2013-01-31*.csv*" in missing.reason
    world.land(HEADER)
    assert look_for_batch(source, DAY, settings=world.settings).as_dict() == {
        "ready": True,
        "reason": f"1 file(s) under {world.settings.landing}.",
        "files": ["trips/2013-01-31.csv"],
    }
    resting = world.source(connector={"settle": "1h"})
    assert "connector.settle" in look_for_batch(resting, DAY, settings=world.settings).reason


def test_a_template_that_names_something_else_is_a_definition_error(world):
    with pytest.raises(DefinitionError, match=r"may name \{start:…\} and \{end:…\} only"):
        look_for_batch(world.source(connector={"path": "{day}.csv"}), DAY, settings=world.settings)


SQL = {
    "type": "sql",
    "connection": "TRIPS_DB",
    "query": "SELECT trip, city, fare, at FROM trips WHERE at >= :start AND at < :end",
}


@pytest.fixture
def database(tmp_path, monkeypatch):
    import sqlite3

    path = tmp_path / "trips.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE trips (trip INTEGER, city TEXT, fare NUMERIC, at TEXT)")
        times = [
            "2013-01-30 23:59:59.999999",
            "2013-01-31 00:00:00.000000",
            "2013-01-31 12:00:00.000000",
            "2013-02-01 00:00:00.000000",
        ]
        connection.executemany(
            "INSERT INTO trips VALUES (?, ?, ?, ?)",
            [(n, "Rome", "x" if n == 2 else 1.5, at) for n, at in enumerate(times)],
        )
    monkeypatch.setenv("TRIPS_DB", f"sqlite:///{path}")
    return path


@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_a_database_gives_the_rows_within_the_bounds(world, database, chunk_rows):
    source = world.source(connector=SQL, known_at="at")
    published = world.ingest(source, chunk_rows=chunk_rows)
    assert (published.rows_in, published.accepted) == (2, 1)
    assert world.rows(source, "trip") == [{"trip": 1}]
    [row] = world.quarantine(source)
    assert (row["file"], row["line"], row["value"]) == (None, None, "x")


def test_a_query_may_stand_in_a_file_and_a_connection_be_airflows(world, database, monkeypatch):
    source = world.source(
        connector={**SQL, "query": "trips.sql", "connection": "trips"}, files={"trips.sql": SQL["query"]}
    )
    with pytest.raises(SettingsError, match="AIRFLOW_CONN_TRIPS"):
        world.ingest(source)
    asked = []
    set_connection_resolver(lambda name: (asked.append(name), f"sqlite:///{database}")[1])
    try:
        assert world.ingest(source).accepted == 1
    finally:
        set_connection_resolver(None)
    assert asked == ["trips"]
    monkeypatch.setenv("AIRFLOW_CONN_TRIPS", f"sqlite:///{database}")
    assert not world.ingest(source).changed


def test_a_database_that_refuses_is_told_without_its_password(world, monkeypatch):
    from slipstream.errors import ServiceError

    monkeypatch.setenv("TRIPS_DB", "postgresql+psycopg2://me:geheim@127.0.0.1:1/trips")
    with pytest.raises(ServiceError) as raised:
        world.ingest(world.source(connector=SQL))
    assert "geheim" not in str(raised.value)


PYTHON = {"type": "python", "callable": "trips:read"}
READ = """
import pyarrow as pa

def read(interval, settings):
    rows = pa.table({"trip": [1, 2], "city": ["Rome", None], "fare": [1, 2], "at": [interval.start, interval.start]})
    return rows if settings.chunk_rows > 1 else pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())
"""


@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_a_callable_gives_arrow_rows(world, chunk_rows):
    source = world.source(connector=PYTHON, files={"trips.py": READ})
    assert world.ingest(source, chunk_rows=chunk_rows).accepted == 2


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        (None, DefinitionError, "wants trips.py in its folder"),
        ("def read(", DefinitionError, "does not import: SyntaxError"),
        ("x = 1", DefinitionError, "has no function 'read'"),
        ("def read(interval, settings): return [1]", BatchRejectedError, "returned list; wanted a pyarrow Table"),
        ("def read(interval, settings): raise BlockingIOError('later')", BlockingIOError, "later"),
    ],
)
def test_a_callable_that_is_none_is_told_what_is_wrong(world, text, error, reason):
    source = world.source(connector=PYTHON, files={"trips.py": text} if text else {})
    with pytest.raises(error, match=reason):
        world.ingest(source)


def test_an_interval_of_another_length_is_ingested_as_one(world):
    source = world.source(known_at="at", connector={"path": "trips/{start:%Y-%m}/*.csv"})
    path = world.landing / "trips" / "2013-01" / "week.csv"
    path.parent.mkdir(parents=True)
    path.write_text(HEADER + "1,Rome,1,2013-01-31\n")
    assert world.ingest(source, Interval.parse("2013-01-28/2013-02-04")).accepted == 1


def test_rows_that_do_not_add_up_are_never_published(world, where):
    from dataclasses import replace

    from slipstream.errors import FatalError

    source = world.source()
    world.land(rows(5, "x"))
    validated = validate_batch(source, load_batch(source, DAY, **where), **where)
    with pytest.raises(FatalError, match="does not add up"):
        publish_batch(source, replace(validated, rows_in=3), **where)
    assert world.lake.tables() == []
