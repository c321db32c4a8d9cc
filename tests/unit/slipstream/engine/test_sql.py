from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from slipstream.engine import connect, describe, open_session, query, stream
from slipstream.engine import statement as statements
from slipstream.errors import DefinitionError, FatalError, ServiceError
from slipstream.settings import Settings

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "a home", memory_limit=64 * 1024**2, threads=2)


@pytest.fixture
def flights() -> pa.Table:
    return pa.table({"carrier": ["UA", "AA", "UA"], "delay": [3, 5, 7], "moment": pa.array([NOON] * 3, TIME)})


def spilled(settings: Settings) -> list[Path]:
    return list(settings.spill.iterdir())


def test_a_query_sees_its_tables_and_named_parameters(small: Settings, flights: pa.Table) -> None:
    sql = "SELECT carrier, sum(delay) AS delay FROM f WHERE moment < $interval_end GROUP BY ALL ORDER BY ALL"
    params = {"interval_start": NOON, "interval_end": datetime(2013, 7, 2, tzinfo=UTC)}
    rows = query(sql, tables={"f": flights}, params=params, settings=small)
    assert rows.to_pydict() == {"carrier": ["AA", "UA"], "delay": [5, 10]}
    assert rows.schema.field("delay").type == pa.int64()


def test_times_go_in_and_come_out_in_utc(small: Settings, flights: pa.Table) -> None:
    local = flights.set_column(2, "moment", flights["moment"].cast(pa.timestamp("us", tz="America/New_York")))
    sql = "SELECT $start AS given, moment, date_trunc('day', moment) AS day, hour(moment) AS hour FROM f LIMIT 1"
    rows = query(sql, tables={"f": local}, params={"start": NOON}, settings=small)
    assert [rows.schema.field(name).type for name in ("given", "moment", "day")] == [TIME] * 3
    assert rows.to_pylist() == [{"given": NOON, "moment": NOON, "day": NOON.replace(hour=0), "hour": 12}]


def test_a_parameter_without_a_zone_is_refused(small: Settings) -> None:
    with pytest.raises(DefinitionError, match=r"\$start .* without a zone"):
        query("SELECT $start", tables={}, params={"start": datetime(2013, 7, 1)}, settings=small)


def test_an_unknown_parameter_is_named_with_those_that_there_are(small: Settings) -> None:
    with pytest.raises(DefinitionError, match=r"\$intervall_start; it may use \$interval_start"):
        query("SELECT $intervall_start", tables={}, params={"interval_start": NOON}, settings=small)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "found nothing"),
        ("SELECT 1; SELECT 2", "found SELECT, SELECT"),
        ("CREATE TABLE x AS SELECT 1", "found CREATE"),
        ("COPY (SELECT 1) TO 'x.csv'", "found COPY"),
        ("SET threads = 1", "found SET"),
        ("ATTACH 'x.db'", "found ATTACH"),
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM f", '"nope" not found'),
        ("SELECT * FROM fligths", "Table with name fligths does not exist"),
        ("SELECT carrier, carrier FROM f", "carrier more than once"),
        ("SELECT CAST(carrier AS INTEGER) AS c FROM f", "Could not convert string"),
        ("SELECT 9223372036854775807::HUGEINT + delay AS c FROM f", "out of range"),
        ("SELECT ?", "uses the parameters"),
    ],
)
def test_sql_that_is_not_one_working_select_is_the_definitions_fault(
    small: Settings, flights: pa.Table, sql: str, message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        query(sql, tables={"f": flights}, params={}, settings=small)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now() AS x",
        "SELECT current_date AS x",
        "SELECT CURRENT_TIMESTAMP AS x",
        "SELECT delay + random() AS x FROM f",
        "SELECT x FROM (SELECT uuid() AS x FROM f)",
        "WITH c AS (SELECT today() AS x) SELECT x FROM c",
        "SELECT delay AS x FROM f USING SAMPLE 1",
        "SELECT delay AS x FROM f TABLESAMPLE 50%",
    ],
)
def test_sql_that_would_not_give_the_same_rows_again_is_refused(small: Settings, flights: pa.Table, sql: str) -> None:
    with pytest.raises(DefinitionError, match="same rows each time"):
        query(sql, tables={"f": flights}, settings=small)


def test_a_column_may_bear_the_name_of_a_clock_word(small: Settings) -> None:
    rows = pa.table({"current_date": [7]})
    assert query("SELECT current_date AS x FROM f", tables={"f": rows}, settings=small).to_pydict() == {"x": [7]}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{file}'",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM glob('{file}')",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT * FROM query_table('{file}')",
        "SELECT * FROM hidden",
        "SELECT * FROM flights",
        "SELECT getenv('PATH')",
        "SELECT * FROM read_csv('https://example.invalid/x.csv')",
        "SELECT * FROM sqlite_scan('{file}', 'x')",
    ],
)
def test_sql_reads_nothing_but_its_tables(small: Settings, flights: pa.Table, tmp_path: Path, sql: str) -> None:
    hidden = flights
    file = tmp_path / "secret.parquet"
    pq.write_table(hidden, file)
    with pytest.raises(DefinitionError):
        query(sql.format(file=file), tables={"f": flights}, settings=small)


def test_settings_cannot_be_changed_back_from_sql(small: Settings) -> None:
    with connect(small) as connection, pytest.raises(Exception, match=r"locked|external access"):
        connection.execute("SET enable_external_access = true")


def test_a_dataset_is_read_larger_than_the_memory_limit_is_read_as_far_as_asked(
    small: Settings, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"n": pa.array(range(500_000)), "text": ["x" * 300] * 500_000}), tmp_path / "wide.parquet")
    rows = query("SELECT max(n) AS n FROM d WHERE n < 1000", tables={"d": ds.dataset(tmp_path)}, settings=small)
    assert rows.to_pydict() == {"n": [999]}


def test_a_file_that_went_away_is_worth_another_try(small: Settings, tmp_path: Path) -> None:
    file = tmp_path / "gone.parquet"
    pq.write_table(pa.table({"n": [1]}), file)
    dataset = ds.dataset(file)
    file.unlink()
    with pytest.raises(ServiceError, match=r"gone\.parquet"):
        query("SELECT * FROM d", tables={"d": dataset}, settings=small)


def test_a_reader_is_read_once_and_a_second_reading_is_refused(small: Settings, flights: pa.Table) -> None:
    reader = {"f": flights.to_reader()}
    assert query("SELECT sum(delay) AS s FROM f", tables=reader, settings=small).to_pydict() == {"s": [15]}
    twice = "SELECT (SELECT count(*) FROM f) AS a, (SELECT sum(delay) FROM f) AS b"
    with pytest.raises(DefinitionError, match="only once"):
        query(twice, tables={"f": flights.to_reader()}, settings=small)


def test_what_does_not_fit_into_memory_spills_and_leaves_nothing_behind(small: Settings) -> None:
    with stream(
        "SELECT range AS n, md5(range::VARCHAR) AS m FROM range(2_000_000) ORDER BY m", tables={}, settings=small
    ) as reader:
        inside = [file for folder in spilled(small) for file in folder.iterdir()]
        rows = sum(batch.num_rows for batch in reader)
    assert rows == 2_000_000
    assert inside
    assert spilled(small) == []


def test_what_fits_nowhere_says_which_setting_to_raise(small: Settings) -> None:
    with pytest.raises(FatalError, match="SLIPSTREAM_MEMORY_LIMIT"):
        query("SELECT list(md5(range::VARCHAR)) AS l FROM range(3_000_000)", tables={}, settings=small)
    assert spilled(small) == []


def test_an_error_in_the_middle_of_a_stream_is_one_of_ours(small: Settings) -> None:
    sql = "SELECT CASE WHEN range < 900_000 THEN 1 ELSE CAST('x' || range AS INTEGER) END AS n FROM range(1_000_000)"
    with pytest.raises(DefinitionError, match="x9"), stream(sql, tables={}, settings=small) as reader:
        for _ in reader:
            pass


def test_rows_are_the_same_to_the_last_bit_each_time(small: Settings, tmp_path: Path) -> None:
    numbers = pa.table({"k": [i % 7 for i in range(400_000)], "v": [((i * 7919) % 10_007) / 7 for i in range(400_000)]})
    pq.write_table(numbers, tmp_path / "n.parquet", row_group_size=10_000)
    sql = "SELECT k, avg(v) AS mean, sum(v) AS total, any_value(v) AS one FROM n GROUP BY k"
    runs = [query(sql, tables={"n": ds.dataset(tmp_path / "n.parquet")}, settings=small) for _ in range(5)]
    assert all(run.equals(runs[0]) for run in runs)


def test_describe_gives_the_columns_without_rows(small: Settings, flights: pa.Table) -> None:
    numbers = "avg(delay) AS mean, sum(delay) AS total, max(moment) AS event_time"
    sql = f"SELECT carrier, {numbers} FROM f WHERE moment < $end GROUP BY 1"
    schema = describe(sql, schemas={"f": flights.schema}, params={"end": NOON}, settings=small)
    expected = {"carrier": pa.string(), "mean": pa.float64(), "total": pa.int64(), "event_time": TIME}
    assert schema == pa.schema(expected)


def test_describe_says_the_nearest_name(small: Settings, flights: pa.Table) -> None:
    with pytest.raises(DefinitionError, match='Candidate bindings: "delay"'):
        describe("SELECT delai FROM f", schemas={"f": flights.schema}, settings=small)


def test_importing_the_engine_loads_neither_duckdb_nor_arrow() -> None:
    code = "import sys, slipstream.engine; print([m for m in ('duckdb', 'pyarrow', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _hold(settings: Settings, ready: Any) -> None:
    with connect(settings):
        ready.set()
        signal.pause()


def test_what_a_killed_process_spilled_is_swept_by_the_next_and_a_living_ones_is_not(small: Settings) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold, args=(small, ready))
    process.start()
    assert ready.wait(30)
    (mine,) = spilled(small)
    with connect(small):
        assert mine in spilled(small)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    with connect(small):
        assert mine not in spilled(small)
    assert spilled(small) == []


def test_two_connections_of_one_process_do_not_share_a_spill_folder(small: Settings) -> None:
    with connect(small), connect(small):
        assert len(spilled(small)) == 2


def test_statements_of_one_session_see_only_their_own_tables(small: Settings, flights: pa.Table) -> None:
    with open_session(small) as session:
        assert session.stream("SELECT count(*) AS n FROM f", tables={"f": flights}).read_all().to_pylist() == [{"n": 3}]
        again = session.stream("SELECT count(*) AS n FROM f", tables={"f": flights.slice(0, 1)}).read_all()
        assert again.to_pylist() == [{"n": 1}]
        with pytest.raises(DefinitionError, match="f does not exist"):
            session.stream("SELECT * FROM f", tables={"g": flights})


def test_no_function_that_is_taken_for_steady_changes_by_itself(small: Settings) -> None:
    with connect(small) as connection:
        assert not statements._STEADY & statements._changing_functions(connection)


def test_a_statement_is_looked_at_again_where_a_column_no_longer_bears_a_clocks_name(small: Settings) -> None:
    sql = "SELECT current_date AS day FROM f"
    query(sql, tables={"f": pa.table({"current_date": [1]})}, settings=small)
    with pytest.raises(DefinitionError, match="uses current_date"):
        query(sql, tables={"f": pa.table({"day": [1]})}, settings=small)
