"""One table of what does not work together: where it is told, and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slipstream.checking import CheckReport, check_definitions, find_root
from slipstream.errors import DefinitionError
from slipstream.settings import Settings

S, C, V, M = (
    "sources/readings/source.yaml",
    "sources/readings/expectations.yaml",
    "features/levels/view.yaml",
    "models/next_value/model.yaml",
)
VIEW_SQL, POPULATION, LABEL, ESTIMATOR = (
    "features/levels/view.sql",
    "models/next_value/population.sql",
    "models/next_value/label.sql",
    "models/next_value/estimator.py",
)


def check(root: Path) -> CheckReport:
    return check_definitions(root, settings=Settings(project=root.parent))


def add_view(root: Path, name: str, reads: str, sql: str = "") -> None:
    folder = root / "features" / name
    folder.mkdir()
    text = (root / V).read_text()
    text = text.replace("name: levels", f"name: {name}").replace(
        "readings: {table: raw/readings", f"up: {{table: {reads}"
    )
    (folder / "view.yaml").write_text(text)
    (folder / "view.sql").write_text(sql or "SELECT sensor, event_time, known_at, value FROM up")


def test_sound_definitions_are_well(root: Path) -> None:
    report = check(root)
    assert report.problems == ()
    assert report.as_dict() == {"ok": True, "counts": {"sources": 1, "views": 1, "models": 1}, "problems": []}


def test_the_example_is_well(tmp_path: Path) -> None:
    project = Path(__file__).parents[4]
    report = check_definitions(project / "include", settings=Settings(project=project, home=tmp_path))
    assert report.problems == ()


BETWEEN = "expect_column_values_to_be_between"

# file to edit, old, new → file of the problem, key path, words of the message, nearest
FAULTS = [
    (V, "raw/readings", "raw/reading", V, "inputs.readings.table", "No source or view writes", "raw/readings"),
    (M, "{table: raw/readings}", "{table: raw/readingz}", M, "label.inputs.readings.table", "No", "raw/readings"),
    (M, "levels:value", "levels:valuu", M, "features.0", "no feature 'valuu'", "levels:value"),
    (M, "levels:value", "level:value", M, "features.0", "no view 'level'", "levels:value"),
    (M, "  levels: {", "  level: {", M, "keys.level", "No feature of this model", "levels"),
    (M, "{sensor: sensor}", "{senser: sensor}", M, "keys.levels.senser", "no entity column", "sensor"),
    (M, "{sensor: sensor}", "{sensor: senser}", M, "keys.levels.sensor", "gives no 'senser'", "sensor"),
    (M, "start: 2013-01-01", "start: 2012-01-01", M, "start", "before any of its inputs", None),
    (V, "start: 2013-01-01", "start: 2012-01-01", V, "start", "before any of its inputs", None),
    (VIEW_SQL, "value FROM", "valuu FROM", VIEW_SQL, "sql", "no column 'valuu'", "value"),
    (VIEW_SQL, "FROM readings", "FROM reading", VIEW_SQL, "sql", "no table 'reading'", "readings"),
    (VIEW_SQL, "value FROM", "roundd(value) AS value FROM", VIEW_SQL, "sql", "no function 'roundd'", "round"),
    (VIEW_SQL, "SELECT", "SELEC", VIEW_SQL, "sql", "syntax error", None),
    (VIEW_SQL, "readings\n", "readings; SELECT 1", VIEW_SQL, "sql", "one SELECT", None),
    (VIEW_SQL, "SELECT", "DELETE FROM readings; SELECT", VIEW_SQL, "sql", "one SELECT", None),
    (VIEW_SQL, "FROM readings", "FROM readings WHERE $interval_nd", VIEW_SQL, "sql", "no parameter", "$interval_end"),
    (VIEW_SQL, "FROM readings", "FROM readings WHERE known_at < now()", VIEW_SQL, "sql", "same rows", None),
    (VIEW_SQL, "FROM readings", "FROM 'readings.csv'", VIEW_SQL, "sql", "readings.csv", None),
    (VIEW_SQL, "value FROM", "value AS vvalue FROM", V, "features.value", "does not give the column 'value'", "vvalue"),
    (VIEW_SQL, "value FROM", "value, 1 AS extra FROM", V, "features", "'extra', which is not declared", None),
    (VIEW_SQL, "SELECT sensor", "SELECT sensor AS sensr", V, "entity.0", "does not give the column 'sensor'", "sensr"),
    (VIEW_SQL, "event_time, ", "timezone('UTC', event_time) AS event_time, ", V, "sql", "Say which zone", None),
    (VIEW_SQL, "known_at,", "1 AS known_at,", V, "sql", "wanted 'known_at' to be a timestamp", None),
    (V, "type: float64", "type: int64", V, "features.value.type", "Declared as int64", None),
    (POPULATION, "known_at AS prediction_time", "known_at", M, "population.sql", "'prediction_time'", None),
    (POPULATION, "known_at AS", "known_at::DATE AS", M, "population.sql", "timestamp in UTC, found date", None),
    (POPULATION, "reading_id, ", "", M, "key.0", "does not give the column 'reading_id'", None),
    (POPULATION, "sensor,", "hash(sensor)::BIGINT AS sensor,", M, "keys.levels.sensor", "one type", None),
    (LABEL, "value AS label", "value AS labell", M, "label.sql", "'label'", "labell"),
    (LABEL, "value AS label", "sensor AS label", M, "label.sql", "to be a number", None),
    (LABEL, "SELECT reading_id", "SELECT hash(reading_id)::BIGINT AS reading_id", M, "key.0", "one type", None),
    (LABEL, "value AS", "vale AS", LABEL, "label.sql", "no column 'vale'", "value"),
    (ESTIMATOR, "build", "buildx", ESTIMATOR, "", "build(params)", None),
    (ESTIMATOR, "import Ridge", "import Rigde", ESTIMATOR, "", "Rigde", None),
    (ESTIMATOR, "return", "rretturn", ESTIMATOR, "", "not Python", None),
    (ESTIMATOR, "return Ridge(**params)", "return 3", ESTIMATOR, "training.candidates", "without", None),
    (ESTIMATOR, "return", "raise SystemExit(3)\n    return", ESTIMATOR, "training.candidates", "SystemExit", None),
    (M, "alpha: [0.1", "alphaa: [0.1", ESTIMATOR, "training.candidates", "alphaa", None),
    (M, "alpha: [0.1, 1.0]", "alpha: [0.1, minus]", ESTIMATOR, "training.candidates", "Candidate 1, ", None),
    (C, "values_to_be_between", "values_to_be_betwen", C, "expectations.0.type", "has no", BETWEEN),
    (C, "{column: value", "{column: vale", C, "expectations.0.kwargs.column", "no column 'vale'", "value"),
    (C, "min_value: 0", "min_vale: 0", C, "expectations.0.kwargs.min_vale", "takes no 'min_vale'", "min_value"),
    (C, "{column: value, min_value: 0}", "{column: value}", C, "expectations.0.kwargs", "cannot both be None", None),
    (C, "{column: value, ", "{", C, "expectations.0.kwargs", "wants the argument 'column'", None),
    (C, "on_failure: halt", "on_failure: quarantine", C, "expectations.1.on_failure", "names no rows", None),
    (S, "{start:%Y-%m-%d}", "{strt:%Y-%m-%d}", S, "connector.path", "no placeholder {strt}", "start"),
    (S, "{start:%Y-%m-%d}", "{start}", S, "connector.path", "wants a format of time", None),
    (S, "{start:%Y-%m-%d}", "{start:%Y-%m-%Q}", S, "connector.path", "%Q", None),
    (S, "{start:%Y-%m-%d}", "{start:%Y-%m-%d", S, "connector.path", "braces", None),
    (S, "{start:%Y-%m-%d}", "{start.__class__}", S, "connector.path", "no placeholder", None),
    (S, "{start:%Y-%m-%d}", "{start:%Y-%m}", S, "connector.path", "both read", None),
]  # fmt: skip


@pytest.mark.parametrize(("edited", "old", "new", "file", "path", "words", "nearest"), FAULTS)
def test_what_does_not_work_together_is_one_problem_at_its_place(
    root: Path, edit: Any, edited: str, old: str, new: str, file: str, path: str, words: str, nearest: str | None
) -> None:
    edit(edited, (old, new))
    report = check(root)
    assert [(each.file, each.path) for each in report.problems] == [(file, path)], report.problems
    assert words in report.problems[0].message
    assert report.problems[0].nearest == nearest
    assert "\n" not in report.problems[0].message


def test_every_unknown_name_of_a_sql_file_is_told_at_its_line(root: Path) -> None:
    (root / VIEW_SQL).write_text(
        "-- vale is not in here\nWITH one AS (\n  SELECT senser AS sensor, event_time, known_at, vale AS value\n"
        "  FROM readings r\n  WHERE r.sendor = 'vale'\n)\nSELECT * FROM one WHERE vvalue > 1\n"
    )
    found = [(problem.line, problem.found, problem.nearest) for problem in check(root).problems]
    assert (3, "senser", "sensor") in found
    assert (3, "vale", "value") in found
    assert (5, "sendor", "sensor") in found
    assert all(file == VIEW_SQL for file in {problem.file for problem in check(root).problems})


def test_a_column_that_the_gate_wants_of_the_population_is_in_its_sql(root: Path, edit: Any) -> None:
    edit(M, ("{check: baseline}", "{check: slices, columns: [levels:value, sensr]}"))
    (problem,) = check(root).problems
    assert (problem.path, problem.found, problem.nearest) == ("gate.0.columns", "sensr", "sensor")
    edit(M, ("sensr]", "sensor]"))
    assert check(root).problems == ()


def test_a_view_may_read_a_view(root: Path) -> None:
    add_view(root, "smooth", "features/levels")
    assert check(root).problems == ()


def test_views_that_read_each_other_in_a_circle_are_told_once_with_the_way_round(root: Path, edit: Any) -> None:
    add_view(root, "b_view", "features/c_view")
    add_view(root, "c_view", "features/a_view")
    add_view(root, "a_view", "features/b_view")
    (problem,) = check(root).problems
    assert "a_view → b_view → c_view → a_view" in problem.message
    assert (problem.file, problem.path) == ("features/a_view/view.yaml", "inputs.up.table")


def test_a_view_that_reads_itself_is_a_circle(root: Path) -> None:
    add_view(root, "a_view", "features/a_view")
    (problem,) = check(root).problems
    assert "a_view → a_view" in problem.message


def test_a_broken_source_does_not_make_its_readers_look_broken(root: Path, edit: Any) -> None:
    edit(S, ("columns:", "columnz:"), ("schedule:", "schedulee:"), ("start: 2013-01-01", "start: never"))
    assert {problem.file for problem in check(root).problems} == {S}


def test_a_misspelt_key_does_not_hide_a_wrong_column_in_the_sql(root: Path, edit: Any) -> None:
    edit(V, ("ttl: 7d", "tttl: 7d"))
    edit(VIEW_SQL, ("value FROM", "valuu AS value FROM"))
    edit(LABEL, ("value AS", "vale AS"))
    edit(C, ("kwargs: {column: value, min_value", "kwarg: {column: value, min_vale"), ("min_value: 1", "mn_value: 1"))
    assert [(problem.file, problem.path) for problem in check(root).problems] == [
        (VIEW_SQL, "sql"),
        (V, "tttl"),
        (LABEL, "label.sql"),
        (C, "expectations.0.kwarg"),
        (C, "expectations.1.kwargs.mn_value"),
    ]


@pytest.mark.parametrize("name", [VIEW_SQL, POPULATION, LABEL, ESTIMATOR])
def test_a_file_that_is_not_there_is_a_problem(root: Path, name: str) -> None:
    (root / name).unlink()
    (problem,) = check(root).problems
    assert Path(name).name in problem.message


def test_sql_that_links_out_of_its_folder_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.sql").write_text("SELECT sensor, event_time, known_at, value FROM readings")
    (root / VIEW_SQL).unlink()
    (root / VIEW_SQL).symlink_to(tmp_path / "elsewhere.sql")
    (problem,) = check(root).problems
    assert "own folder" in problem.message


def test_a_feature_that_is_a_time_is_for_no_estimator(root: Path, edit: Any) -> None:
    edit(V, ("features:", "features:\n  sent: {type: timestamp, description: When.}"))
    edit(VIEW_SQL, ("value FROM", "known_at AS sent, value FROM"))
    edit(M, ('"levels:value"', '"levels:value", "levels:sent"'))
    (problem,) = check(root).problems
    assert (problem.file, problem.path) == (M, "features.1")
    assert "is a timestamp" in problem.message


SQL_CONNECTOR = "connector: {{type: sql, connection: shop, query: {query}}}\ncolumns:"
QUERIES = [
    ('"SELECT * FROM r WHERE t >= :start AND t < :end"', []),
    ("\"SELECT *, a::int FROM r WHERE t >= :start AND x = ':other'\"", ["no :end"]),
    ('"SELECT * FROM r WHERE t > :strt AND t < :end"', ["no :start", "no parameter :strt"]),
    ('"DELETE FROM r WHERE t >= :start AND t < :end"', ["Wanted a SELECT"]),
    ("query.sql", ["no file query.sql"]),
    ("../query.sql", ["may only name files", "no file"]),
]


@pytest.mark.parametrize(("query", "words"), QUERIES)
def test_a_query_binds_both_ends_of_the_interval(root: Path, query: str, words: list[str]) -> None:
    text = (root / S).read_text()
    head, rest = text[: text.index("connector:")], text[text.index("columns:") + len("columns:") :]
    (root / S).write_text(head + SQL_CONNECTOR.format(query=query) + rest)
    found = [problem.message for problem in check(root).problems]
    assert len(found) == (1 if query.startswith("..") else len(words)), found
    assert all(any(word in message for word in words) for message in found)


CALLABLES = [
    ("def read(start, end): ...\n", None),
    ("from other import read\n", None),
    ("def reead(start, end): ...\n", "connector:reead"),
    ("def read(:\n", "not Python"),
    (None, "no file connector.py"),
]


@pytest.mark.parametrize(("text", "words"), CALLABLES)
def test_a_callable_is_in_the_folder(root: Path, text: str | None, words: str | None) -> None:
    source = (root / S).read_text()
    head, rest = source[: source.index("connector:")], source[source.index("columns:") :]
    (root / S).write_text(head + "connector: {type: python, callable: 'connector:read'}\n" + rest)
    if text is not None:
        (root / "sources/readings/connector.py").write_text(text)
    found = [f"{problem.message} {problem.nearest}" for problem in check(root).problems]
    assert len(found) == (words is not None), found
    assert words is None or words in found[0]


def test_the_report_is_the_same_each_time_and_can_be_json(root: Path, edit: Any) -> None:
    edit(VIEW_SQL, ("value FROM", "valuu FROM"))
    edit(C, ("{column: value", "{column: vale"))
    reports = [json.dumps(check(root).as_dict()) for _ in range(2)]
    assert reports[0] == reports[1]
    problems = json.loads(reports[0])["problems"]
    assert [set(problem) for problem in problems] == [
        {"file", "line", "path", "message", "found", "allowed", "nearest"} for _ in problems
    ]


def test_a_check_leaves_nothing_behind(root: Path) -> None:
    before = sorted(root.rglob("*"))
    check(root)
    assert sorted(root.rglob("*")) == before
    assert [path for path in (root.parent / ".slipstream").rglob("*") if path.is_file()] == []


def test_a_project_or_its_include_folder_is_a_root(root: Path, tmp_path: Path) -> None:
    assert find_root(root) == root
    assert find_root(root.parent) == root
    with pytest.raises(DefinitionError, match="slipstream new source"):
        find_root(tmp_path / "nowhere")


def test_reasons_are_refused_where_an_estimator_cannot_give_them(root: Path, edit: Any) -> None:
    edit(M, ("scoring: {at: end}", "scoring: {at: end, explain: {rows: all}}"))
    found = [str(problem) for problem in check(root).problems]
    assert len(found) == 1
    assert "cannot be explained, which scoring.explain asks for: a Ridge is not trees" in found[0]


@pytest.mark.parametrize("explain", ["{top: 3}", "{rows: all, top_fraction: 0.1}"])
def test_reasons_are_for_all_rows_or_for_a_share(root: Path, edit: Any, explain: str) -> None:
    edit(M, ("scoring: {at: end}", f"scoring: {{explain: {explain}}}"))
    found = [str(problem) for problem in check(root).problems]
    assert len(found) == 1
    assert "Wanted either rows: all or top_fraction" in found[0]


GATE = "  - {check: baseline}\n"
CHECKS_PY = "def fine(evidence, *, most=1): ...\ndef other(): ...\n"


@pytest.mark.parametrize(
    ("line", "text", "path", "words"),
    [
        ('{check: own, function: "checks:fine", settings: {most: 3}}', CHECKS_PY, None, ""),
        ('{check: own, function: "checkz:fine"}', CHECKS_PY, "gate.0.function", "no file checkz.py in the folder"),
        ('{check: own, function: "checks:fin"}', CHECKS_PY, "gate.0.function", "no function 'fin'; it has fine, other"),
        ('{check: own, function: "checks:other"}', CHECKS_PY, "gate.0.function", "is called as other(evidence)"),
        ('{check: own, function: "checks:fine", settings: {mist: 3}}', CHECKS_PY, "gate.0.function", "'mist'"),
        ('{check: own, function: "checks:fine"}', "import nowhere_at_all", "gate.0.function", "cannot be imported"),
        ('{check: value, function: "checks:worth"}', "def worth(label, prediction): return label", None, ""),
        ('{check: value, function: "checks:worth"}', "def worth(label): return label", "gate.0.function", "fit"),
        ('{check: value, function: "checks:worth"}', "def worth(a, b): return a[:2]", "gate.0.function", "shape (2,)"),
        ('{check: value, function: "checks:worth"}', "def worth(a, b): return a / 0 * 0", "gate.0.function", "finite"),
        (
            '{check: value, function: "checks:worth"}',
            "def worth(a, b): raise KeyError(1)",
            "gate.0.function",
            "KeyError",
        ),
        ('{check: value, function: "estimator:worth"}', CHECKS_PY, "gate.0.function", "it has build"),
    ],
)
@pytest.mark.filterwarnings("ignore:(divide|invalid)")
def test_a_function_that_a_gate_names_must_be_there_and_fit(
    root: Path, edit: Any, line: str, text: str, path: str | None, words: str
) -> None:
    (root / "models/next_value/checks.py").write_text(text, encoding="utf-8")
    edit("models/next_value/model.yaml", (GATE, f"  - {line}\n"))
    found = check_definitions(root).problems
    assert [each.path for each in found] == ([path] if path else []), found
    assert all(words in each.message for each in found)
