"""One table of faults: where each is told, what is nearest, what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slipstream.definitions import Problem, read_definitions

S, C, V, M = (
    "sources/readings/source.yaml",
    "sources/readings/expectations.yaml",
    "features/levels/view.yaml",
    "models/next_value/model.yaml",
)


def problems(root: Path) -> list[Problem]:
    return read_definitions(root)[1]


def test_sound_definitions_have_no_problem(root: Path) -> None:
    definitions, found = read_definitions(root)
    assert found == []
    assert definitions.source("readings").columns["sensor"].type == "string"


MISSPELT = [
    (S, "schedule:", "schedulee:", "schedulee", "schedule"),
    (S, "  path:", "  pth:", "connector.pth", "path"),
    (S, "  format: csv", "  format: csv\n  delimiterr: ;", "connector.delimiterr", "delimiter"),
    (S, "{type: float64, unit", "{typ: float64, unit", "columns.value.typ", "type"),
    (S, "unit: degrees", "units: degrees", "columns.value.units", "unit"),
    (S, "expected_after", "expect_after", "arrival.expect_after", "expected_after"),
    (S, "subject_key", "subjectkey", "subjectkey", "subject_key"),
    (C, "expectations:", "expectation:", "expectation", "expectations"),
    (C, "    on_failure: halt", "    on_failur: halt", "expectations.1.on_failur", "on_failure"),
    (C, "    kwargs: {column", "    kwarg: {column", "expectations.0.kwarg", "kwargs"),
    (V, "lookback", "look_back", "inputs.readings.look_back", "lookback"),
    (V, "table: raw", "tablee: raw", "inputs.readings.tablee", "table"),
    (V, "description: Last", "descriptionn: Last", "features.value.descriptionn", "description"),
    (V, "entity:", "entities:", "entities", "entity"),
    (M, "population:", "populaton:", "populaton", "population"),
    (
        M,
        "readings: {table: raw/readings, l",
        "readings: {ttable: raw/readings, l",
        "population.inputs.readings.ttable",
        "table",
    ),
    (M, "maturity", "maturty", "label.maturty", "maturity"),
    (M, "  window: 100d", "  windw: 100d", "training.windw", "window"),
    (M, "  candidates", "  candidate", "training.candidate", "candidates"),
    (M, "{check: baseline}", "{checkx: baseline}", "gate.0.checkx", "check"),
    (M, "{check: baseline}", "{check: baseline, metrc: absolute_error}", "gate.0.metrc", "metric"),
    (M, "{check: metric_gain, metric", "{check: metric_gain, metrc", "gate.1.metrc", "metric"),
    (M, "{check: baseline}", "{check: calibration, limt: 0.1}", "gate.0.limt", "limit"),
    (M, "{check: baseline}", "{check: slices, column: [levels:value]}", "gate.0.column", "columns"),
    (M, "{check: baseline}", "{check: slices, columns: [sensor], margn: 1}", "gate.0.margn", "margin"),
    (M, "{check: baseline}", "{check: stability, max_flip: 0.1}", "gate.0.max_flip", "max_flips"),
    (M, "{check: baseline}", "{check: schema, max_corelation: 0.9}", "gate.0.max_corelation", "max_correlation"),
    (M, "{check: baseline}", "{check: budget, max_second: 1}", "gate.0.max_second", "max_seconds"),
    (M, "required", "requiredd", "approval.requiredd", "required"),
    (M, "{at: end}", "{att: end}", "scoring.att", "at"),
    (M, "monitoring: {window", "monitoring: {windw", "monitoring.windw", "window"),
    (M, "retraining: {reasons", "retraining: {reason", "retraining.reason", "reasons"),
    (M, "evaluation: {window", "evaluation: {min_row: 5, window", "evaluation.min_row", "min_rows"),
]


@pytest.mark.parametrize(("file", "old", "new", "path", "nearest"), MISSPELT)
def test_a_misspelt_key_is_one_problem_with_the_key_that_was_meant(
    root: Path, edit: Any, file: str, old: str, new: str, path: str, nearest: str
) -> None:
    text = edit(file, (old, new)).read_text()
    (problem,) = problems(root)
    assert (problem.file, problem.path, problem.nearest) == (file, path, nearest)
    assert nearest in problem.allowed
    assert path.split(".")[-1] == problem.found
    assert problem.line is not None
    assert str(problem.found) in text.splitlines()[problem.line - 1]


DECISIONS = [
    ("{check: value, true_positve: 1}", "true_positve", "true_positive"),
    ("{check: value}", "true_positive", None),
    ("{check: fairness, columns: [sensor], min_ration: 0.7}", "min_ration", "min_ratio"),
]


@pytest.mark.parametrize(("check", "found", "nearest"), DECISIONS)
def test_what_is_wrong_with_a_check_of_decisions_is_one_problem(
    root: Path, edit: Any, check: str, found: str, nearest: str | None
) -> None:
    edit(M, ("{check: baseline}", check), ("absolute_error", "log_loss"), ("regression", "binary_classification"))
    (problem,) = problems(root)
    assert (problem.path, problem.nearest) == (f"gate.0.{found}", nearest)


def test_a_key_of_another_connector_is_not_among_those_that_are_allowed(root: Path, edit: Any) -> None:
    edit(S, ("  format: csv", "  format: csv\n  query: SELECT 1"))
    (problem,) = problems(root)
    assert problem.path == "connector.query"
    assert problem.allowed == ("delimiter", "format", "path", "settle", "type")


WRONG = [
    (S, "type: files", "type: file", "connector.type", "file", "files"),
    (S, "format: csv", "format: cvs", "connector.format", "cvs", "csv"),
    (S, "{type: float64,", "{type: float,", "columns.value.type", "float", "float64"),
    (S, "sensor: string", "sensor: text", "columns.sensor.type", "text", None),
    (S, "[reading_id]", "[readng_id]", "key.0", "readng_id", "reading_id"),
    (S, "event_time: read_at", "event_time: red_at", "event_time", "red_at", "read_at"),
    (S, "known_at: sent_at", "known_at: interval_nd", "known_at", "interval_nd", "interval_end"),
    (S, "subject_key: sensor", "subject_key: senser", "subject_key", "senser", "sensor"),
    (C, "on_failure: halt", "on_failure: hlat", "expectations.1.on_failure", "hlat", "halt"),
    (V, "type: float64", "type: Float64", "features.value.type", "Float64", "float64"),
    (M, "task: regression", "task: regressionn", "task", "regressionn", "regression"),
    (M, "check: baseline", "check: base_line", "gate.0.check", "base_line", "baseline"),
    (M, "metric: absolute_error", "metric: absolut_error", "gate.1.metric", "absolut_error", "absolute_error"),
    (M, "metric: absolute_error", "metric: log_loss", "gate.1.metric", "log_loss", None),
    (M, "check: baseline", "check: slice, columns: [sensor]", "gate.0.check", "slice", "slices"),
    (M, "check: baseline", "check: slices, columns: [levels:valu]", "gate.0.columns.0", "levels:valu", "levels:value"),
    (
        M,
        "check: baseline",
        "check: slices, columns: [levels__value]",
        "gate.0.columns.0",
        "levels__value",
        "levels:value",
    ),
    (M, "{at: end}", "{at: endd}", "scoring.at", "endd", "end"),
    (M, "[drift]", "[drfit]", "retraining.reasons.0", "drfit", "drift"),
]


@pytest.mark.parametrize(("file", "old", "new", "path", "found", "nearest"), WRONG)
def test_a_wrong_name_is_one_problem_with_the_names_that_are_allowed(
    root: Path, edit: Any, file: str, old: str, new: str, path: str, found: str, nearest: str | None
) -> None:
    edit(file, (old, new))
    (problem,) = problems(root)
    assert (problem.file, problem.path, problem.found, problem.nearest) == (file, path, found, nearest)
    assert len(problem.allowed) > 0
    assert problem.line is not None


REFUSED = [
    (M, "check: baseline", "check: value, true_positive: 1", "gate.0.function", "Name a function of labels"),
    (M, "check: baseline", 'check: own, function: "../a:b"', "gate.0.function", "Wanted file:function"),
    (M, "check: baseline", 'check: own, function: "checks:value"', "gate.0.function", "name yours otherwise"),
    (S, "start: 2013-01-01", "start: 2013-02-30", "start", "2013-02-30"),
    (S, '"0 0 * * *"', '"0 0 * *"', "schedule", "five fields"),
    (S, "timezone: UTC", "timezone: Mars/Phobos", "columns.read_at.timezone", "IANA"),
    (S, "required: true", "required: often", "columns.reading_id.required", "true or false"),
    (S, "name: readings", "name: yes", "name", "quotes"),
    (S, "  value: {", "  Value: {", "columns.Value", "lower-case"),
    (S, "  value: {", "  interval_start: {", "columns.interval_start", "lake's own"),
    (S, 'path: "readings', 'path: "../readings', "connector.path", "below the landing root"),
    (S, 'path: "readings', 'path: "/readings', "connector.path", "below the landing root"),
    (S, "expected_after: 1h", "expected_after: 1 parsec", "arrival.expected_after", "duration"),
    (S, "expected_after: 1h", "expected_after: -5", "arrival.expected_after", "0 or more"),
    (S, "expected_after: 1h", "expected_after: 99999999999d", "arrival.expected_after", "duration"),
    (S, "event_time: read_at", "event_time: value", "event_time", "timestamp column"),
    (S, "sensor: string", "sensor: {type: string, timezone: UTC}", "columns.sensor.timezone", "Only a timestamp"),
    (S, "  sent_at: timestamp", "  sent_at: timestamp\n  known_at: timestamp", "known_at", "A column is named"),
    (S, "[reading_id]", "[]", "key", "at least 1"),
    (S, "[reading_id]", "reading_id", "key", "a list"),
    (S, "[reading_id]", "[reading_id, reading_id]", "key.1", "twice"),
    (S, "arrival: {expected_after: 1h}", "end: 2012-01-01", "end", "after start"),
    (C, "type: expect_table", "type: exct_table", "expectations.1.type", "Great Expectations"),
    (V, "sensor]", "event_time]", "entity.0", "every view"),
    (V, "  value: {", "  sensor: {", "features.sensor", "entity column"),
    (V, "raw/readings", "landing/readings", "inputs.readings.table", "raw/<source>"),
    (V, "ttl: 7d", "sql: ../other/view.sql", "sql", "own folder"),
    (V, "ttl: 7d", "sql: /etc/passwd", "sql", "own folder"),
    (M, "key: [reading_id]", "key: [score]", "key.0", "every prediction"),
    (M, "levels:value", "levels.value", "features.0", "view:feature"),
    (M, '"levels:value"', '"levels:value", "levels:value"', "features.1", "twice"),
    (M, "evaluation: {window: 10d}", "evaluation: {window: 100d}", "evaluation.window", "training.window"),
    (M, "evaluation: {window: 10d}", "evaluation: {window: 0d}", "evaluation.window", "more than 0"),
    (M, "alpha: [0.1, 1.0]", "alpha: []", "training.candidates.alpha", "at least one"),
    (M, "alpha: [0.1, 1.0]", "alpha: 3", "training.candidates.alpha", "list"),
    (M, "required: false", "required: true", "approval.approvers", "at least one user"),
    (M, "absolute_error}", "absolute_error, mode: non_inferiority}", "gate.1.margin", "above 0"),
    (M, "absolute_error}", "absolute_error, alpha: 2}", "gate.1.alpha", "less than"),
    (M, "seed: 1", "seed: one", "seed", "whole number"),
    (M, "seed: 1", "seed: -1", "seed", "greater than"),
    (M, "gate:\n  - {check: baseline}", "gate:\n  - baseline", "gate.0", "keys and values"),
    (M, "gate:\n  - {check: baseline}", "gate:\n  - {min_gain: 1}", "gate.0.check", "metric_gain"),
    (M, "task: regression\n", "", "task", "required"),
]


@pytest.mark.parametrize(("file", "old", "new", "path", "words"), REFUSED)
def test_a_value_that_cannot_be_is_one_problem_at_its_place(
    root: Path, edit: Any, file: str, old: str, new: str, path: str, words: str
) -> None:
    edit(file, (old, new))
    found = problems(root)
    assert [(each.file, each.path) for each in found] == [(file, path)], found
    assert words in found[0].message
    assert found[0].line is not None


def test_five_faults_of_a_file_are_five_problems(root: Path, edit: Any) -> None:
    edit(
        S,
        ("  path:", "  pth:"),
        ("unit: degrees", "units: degrees"),
        ("[reading_id]", "[readng_id]"),
        ("known_at: sent_at", "known_at: value"),
        ("expected_after: 1h", "expected_after: soon"),
    )
    assert [problem.path for problem in problems(root)] == [
        "connector.pth",
        "columns.value.units",
        "key.0",
        "known_at",
        "arrival.expected_after",
    ]


def test_faults_of_every_file_are_told_in_one_run(root: Path, edit: Any) -> None:
    edit(S, ("schedule:", "schedulee:"))
    edit(C, ("on_failure: halt", "on_failure: stop"))
    edit(V, ("ttl: 7d", "ttl: long"))
    edit(M, ("seed: 1\n", ""), ("task: regression", "task: ranking"))
    assert [(problem.file, problem.path) for problem in problems(root)] == [
        (V, "ttl"),
        (M, "seed"),
        (M, "task"),
        (C, "expectations.1.on_failure"),
        (S, "schedulee"),
    ]


def test_expectations_are_a_list(root: Path) -> None:
    (root / C).write_text("expectations: 3")
    assert [(problem.path, problem.message) for problem in problems(root)] == [
        ("expectations", "Wanted a list; found 3.")
    ]


def test_a_key_that_stands_twice_hides_no_other_fault(root: Path, edit: Any) -> None:
    edit(V, ("ttl: 7d", "ttl: 7d\nttl: 8d\nentty: [x]"))
    assert [(problem.path, problem.line) for problem in problems(root)] == [("ttl", 9), ("entty", 10)]


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b", "42", "null"])
def test_a_file_that_is_no_mapping_is_one_problem(root: Path, text: str) -> None:
    (root / V).write_text(text)
    (problem,) = problems(root)
    assert problem.file == V
    assert "Wanted keys and values" in problem.message


def test_keys_are_text_even_where_yaml_reads_something_else(root: Path, edit: Any) -> None:
    edit(V, ("ttl: 7d", "on: 7d\n1: 2\nnull: 3"))
    assert [(problem.path, problem.line) for problem in problems(root)] == [("on", 8), ("1", 9), ("null", 10)]


def test_a_problem_reads_as_a_sentence_with_its_place(root: Path, edit: Any) -> None:
    edit(V, ("lookback", "look_back"))
    assert str(problems(root)[0]) == (
        "features/levels/view.yaml:7: inputs.readings.look_back: The key 'look_back' is not known; "
        "allowed are lookback, table. Did you mean 'lookback'?"
    )
