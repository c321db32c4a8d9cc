"""What a definition may name: values and files of its own folder, never a Python object or a place elsewhere."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from slipstream.definitions import Model, Source, View, read_definitions
from slipstream.definitions.code import load_module
from slipstream.errors import BatchRejectedError, DefinitionError, NotFoundError
from slipstream.ingestion.connectors import open_batch
from slipstream.ingestion.connectors.landing import Landing
from slipstream.intervals import Interval
from slipstream.lake import Lake
from slipstream.settings import Settings

PROJECT = Path(__file__).parents[4]
DAY = Interval.parse("2013-01-31")
SOURCE = """
name: trips
description: Trips.
schedule: "0 0 * * *"
start: 2013-01-01
connector: {type: files, path: "trips/{start:%Y-%m-%d}.csv", format: csv}
columns: {trip: int64}
key: [trip]
event_time: interval_start
"""
KINDS = {
    "sources/trips/source.yaml": "",
    "sources/trips/expectations.yaml": "expectations: []\n",
    "features/levels/view.yaml": "name: levels\n",
    "models/level/model.yaml": "name: level\n",
}
OUTSIDE = ("../secret", "/etc/passwd", "a/../../secret", "..", "s3://other/secret", "file:///etc/passwd", "..\\secret")


def source(connector: dict[str, Any], folder: Path | None = None) -> Source:
    found = Source.model_validate(
        {
            "name": "trips",
            "description": "Trips.",
            "schedule": "0 0 * * *",
            "start": "2013-01-01",
            "connector": connector,
            "columns": {"trip": "int64"},
            "key": ["trip"],
            "event_time": "interval_start",
        }
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        found._folder = folder
    return found


def files(path: str) -> dict[str, Any]:
    return {"type": "files", "path": path, "format": "csv"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(project=tmp_path, home=tmp_path / "home", landing=str(tmp_path / "landing"))


@pytest.mark.parametrize("file", KINDS)
def test_no_kind_of_definition_makes_a_python_object(tmp_path: Path, file: str) -> None:
    texts = {**({"sources/trips/source.yaml": SOURCE} if "sources" in file else {}), file: KINDS[file]}
    mark = tmp_path / "gone off"
    texts[file] += f"owner: !!python/object/apply:os.mkdir ['{mark}']\n"
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    _, problems = read_definitions(tmp_path)
    assert any(each.file == file and "python/object/apply" in str(each) for each in problems), problems
    assert not mark.exists()


def test_no_line_of_ours_reads_yaml_by_another_loader_than_the_safe_one() -> None:
    seen, found = 0, []
    for path in (each for root in ("include", "plugins", "dags", "deploy") for each in (PROJECT / root).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or node.value.id != "yaml":
                continue
            seen += 1
            if "load" in node.attr.lower() and node.attr not in ("safe_load", "SafeLoader", "CSafeLoader"):
                found.append(f"{path.relative_to(PROJECT)}:{node.lineno} yaml.{node.attr}")
    assert found == []
    assert seen


@pytest.mark.parametrize("path", OUTSIDE)
def test_the_path_of_a_files_connector_stays_below_the_landing_root(path: str) -> None:
    with pytest.raises(ValueError, match="below the landing root"):
        source(files(path))


@pytest.mark.parametrize(
    "path", ["{start:..}/secret", "trips/{start:..}/{end:..}/secret", "{start:/..}/secret", "{start:.}/x"]
)
def test_a_path_that_leads_outside_once_it_is_filled_in_is_refused(settings: Settings, path: str) -> None:
    landing = Path(settings.landing)
    (landing / "trips").mkdir(parents=True)
    (landing.parent / "secret").write_text("trip\n1\n", encoding="utf-8")
    connector: Any = source(files(path)).connector
    with pytest.raises(DefinitionError, match="wants to stay below the landing root"):
        Landing(connector, settings).find(DAY)


@pytest.mark.parametrize("kind", ["a file", "a folder"])
def test_a_link_out_of_the_landing_root_is_refused_and_one_inside_is_followed(settings: Settings, kind: str) -> None:
    landing, elsewhere = Path(settings.landing), Path(settings.landing).parent / "elsewhere"
    for folder in (landing / "kept", elsewhere):
        folder.mkdir(parents=True)
        (folder / "2013-01-31.csv").write_text("trip\n1\n", encoding="utf-8")
    at = landing / "trips"
    connector: Any = source(files("trips/{start:%Y-%m-%d}.csv")).connector

    def link(to: Path) -> None:
        if kind == "a folder":
            at.symlink_to(to)
        else:
            at.mkdir()
            (at / "2013-01-31.csv").symlink_to(to / "2013-01-31.csv")

    link(elsewhere)
    with pytest.raises(BatchRejectedError, match="leads out of the landing root"):
        Landing(connector, settings).find(DAY)
    if kind == "a folder":
        at.unlink()
    else:
        (at / "2013-01-31.csv").unlink()
        at.rmdir()
    link(landing / "kept")
    assert [file.name for file in Landing(connector, settings).find(DAY)] == ["trips/2013-01-31.csv"]


def test_a_landing_root_that_is_a_link_itself_is_followed(settings: Settings) -> None:
    real = Path(settings.landing).parent / "disk"
    (real / "trips").mkdir(parents=True)
    (real / "trips" / "2013-01-31.csv").write_text("trip\n1\n", encoding="utf-8")
    Path(settings.landing).symlink_to(real)
    connector: Any = source(files("trips/{start:%Y-%m-%d}.csv")).connector
    assert len(Landing(connector, settings).find(DAY)) == 1


@pytest.mark.parametrize("field", [(View, "sql"), (Model, "population"), (Model, "label")])
@pytest.mark.parametrize("path", OUTSIDE)
def test_the_sql_of_a_view_or_model_lies_in_its_folder(field: tuple[Any, str], path: str) -> None:
    kind, name = field
    given: Any = path if name == "sql" else {"sql": path, "inputs": {}}
    with pytest.raises(ValueError, match="definition's own folder"):
        kind.model_validate({name: given})


@pytest.mark.parametrize("path", ["../secret.sql", "/etc/secret.sql", "link.sql"])
def test_the_query_of_a_sql_connector_lies_in_its_folder(tmp_path: Path, settings: Settings, path: str) -> None:
    (tmp_path / "secret.sql").write_text("SELECT 1 AS trip", encoding="utf-8")
    found = source({"type": "sql", "connection": "x", "query": path}, tmp_path / "trips")
    (tmp_path / "trips" / "link.sql").symlink_to(tmp_path / "secret.sql")
    with pytest.raises(DefinitionError, match="may only name files in its own folder"):
        found.text(path)


@pytest.mark.parametrize("named", ["../secret:read", "/etc/secret:read", "a.b:read", "a/b:read", "os:system;x"])
def test_a_function_is_named_by_file_and_name_alone(named: str) -> None:
    with pytest.raises(ValueError, match="callable"):
        source({"type": "python", "callable": named})


def test_code_behind_a_link_out_of_the_folder_is_not_run(tmp_path: Path, settings: Settings) -> None:
    mark = tmp_path / "gone off"
    (tmp_path / "secret.py").write_text(f"import os\nos.mkdir({str(mark)!r})\nread = print\n", encoding="utf-8")
    found = source({"type": "python", "callable": "link:read"}, tmp_path / "trips")
    (tmp_path / "trips" / "link.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(DefinitionError, match="in its folder"):
        open_batch(found, DAY, settings)
    with pytest.raises(DefinitionError, match="own folder"):
        load_module(found, "link.py")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../raw", "/etc", "raw/../../x", "raw//x", ".hidden", "raw/.x", "a\\b", "s3://b", ""])
def test_no_name_of_a_table_leads_out_of_the_lake(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="Wanted a table's name"):
        Lake(tmp_path / "lake").table(name)


INJECTED = "2013-01-01'; DROP TABLE trips; --"


def test_values_reach_sql_as_bound_parameters_only(settings: Settings) -> None:
    from slipstream.engine import query

    rows = query("SELECT $interval_start AS given", tables={}, params={"interval_start": INJECTED}, settings=settings)
    assert rows.column("given").to_pylist() == [INJECTED]


def test_a_column_with_a_quote_in_its_name_is_quoted(settings: Settings) -> None:
    import pyarrow as pa

    from slipstream.engine import query

    name = 'n" FROM t; DROP TABLE t; --'
    quoted = name.replace('"', '""')
    rows = query(
        f'SELECT SUM("{quoted}") AS "{quoted}" FROM t', tables={"t": pa.table({name: [1, 2]})}, settings=settings
    )
    assert rows.column(name).to_pylist() == [3]
    assert rows.schema.field(name).type == pa.int64()


def test_a_database_gets_the_bounds_of_an_interval_bound(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.begin() as link:
        link.execute(sqlalchemy.text("CREATE TABLE trips (trip INTEGER, at TEXT)"))
        link.execute(sqlalchemy.text("INSERT INTO trips VALUES (1, '2013-01-31 05:00:00'), (2, '2013-02-02 00:00:00')"))
    monkeypatch.setenv("SHOP", f"sqlite:///{tmp_path}/shop.db")
    query = "SELECT trip FROM trips WHERE at >= :start AND at < :end"
    sent: list[tuple[str, Any]] = []

    def listen(_link: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", listen)
    try:
        batch = open_batch(source({"type": "sql", "connection": "SHOP", "query": query}), DAY, settings)
        rows = [row for chunk in batch.chunks() for row in chunk.columns.to_pylist()]
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", listen)
    assert [row["trip"] for row in rows] == [1]
    ((statement, parameters),) = sent
    assert "2013-" not in statement
    assert [str(value)[:10] for value in parameters] == ["2013-01-31", "2013-02-01"]
