from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipstream.errors import DefinitionError, NotFoundError, SchemaError

Cli = Callable[..., Any]
DAY = "2013-01-02T00:00:00Z/2013-01-03T00:00:00Z"


def test_the_log_says_who_wrote_what_newest_first(answer: Cli, lake: Path) -> None:
    commits = answer("lake", "log", "raw/weather")

    assert [each["interval"][:10] for each in commits] == ["2013-01-03", "2013-01-02", "2013-01-01"]
    assert {each["provenance"]["run"]["dag_id"] for each in commits} == {"local"}
    assert [each["rows"] > 0 for each in commits] == [True] * 3


def test_whole_days_are_shown_as_the_option_takes_them(slipstream: Cli, lake: Path) -> None:
    shown = slipstream("lake", "log", "raw/weather").output

    assert " 2013-01-02 " in shown
    assert "T00:00:00Z" not in shown
    assert slipstream("lake", "show", "raw/weather", "--interval", "2013-01-02").exit_code == 0


def test_the_log_can_be_cut_short(answer: Cli, lake: Path) -> None:
    assert len(answer("lake", "log", "raw/weather", "--limit", "1")) == 1


def test_the_log_of_an_empty_lake_says_how_to_fill_it(slipstream: Cli, answer: Cli) -> None:
    result = slipstream("lake", "log")

    assert result.exit_code == 0
    assert "make demo" in result.output
    assert answer("lake", "log") == []


@pytest.mark.parametrize("command", ["log", "show", "verify"])
def test_a_misspelt_table_is_an_error_that_names_the_nearest(slipstream: Cli, lake: Path, command: str) -> None:
    result = slipstream("lake", command, "raw/wether")

    assert isinstance(result.exception, NotFoundError)
    assert "Did you mean 'raw/weather'?" in str(result.exception)


def test_rows_are_shown_of_one_interval_and_the_columns_asked_for(answer: Cli, lake: Path) -> None:
    rows = answer("lake", "show", "raw/weather", "--interval", "2013-01-02", "--columns", "origin, known_at")

    assert {tuple(row) for row in rows} == {("known_at", "origin")}
    assert len(rows) == 20
    assert all(row["known_at"].startswith("2013-01-02T") and row["known_at"].endswith("Z") for row in rows)


def test_missing_values_are_null_in_json(slipstream: Cli, lake: Path) -> None:
    text = slipstream("lake", "show", "raw/weather", "--limit", "100", "--json").stdout

    assert "NaN" not in text
    assert any(row["wind_gust"] is None for row in json.loads(text))


def test_rows_that_are_wider_than_the_screen_are_shown_one_below_the_other(
    slipstream: Cli, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slipstream.cli.common import console

    monkeypatch.setattr(console, "width", 60)

    narrow = slipstream("lake", "show", "raw/weather", "--columns", "origin,known_at", "--limit", "2").output
    wide = slipstream("lake", "show", "raw/weather", "--limit", "2").output

    assert "row 1" not in narrow
    assert "raw/weather, row 2" in wide
    assert max(map(len, wide.splitlines())) <= 60


def test_an_earlier_version_can_be_shown(slipstream: Cli, lake: Path) -> None:
    first = slipstream("lake", "show", "raw/weather", "--version", "0", "--interval", "2013-01-03")

    assert "no rows there" in first.output


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--columns", "nope", SchemaError),
        ("--version", "99", NotFoundError),
        ("--interval", "2013-01-32", DefinitionError),
        ("--interval", "January", DefinitionError),
        ("--interval", "2013-01-03/2013-01-02", DefinitionError),
    ],
)
def test_what_cannot_be_shown_is_said_so(
    slipstream: Cli, lake: Path, option: str, value: str, error: type[Exception]
) -> None:
    result = slipstream("lake", "show", "raw/weather", option, value)

    assert isinstance(result.exception, error)
    assert value.split("/")[0] in str(result.exception)


def test_verify_gives_the_same_document_twice(slipstream: Cli, lake: Path) -> None:
    first, second = (slipstream("lake", "verify", "--json") for _ in range(2))

    assert first.stdout == second.stdout
    found = json.loads(first.stdout)
    assert found["ok"] is True
    tables = [each["table"] for each in found["intervals"]]
    assert tables == sorted(tables)
    assert tables.count("raw/weather") == 3


def test_verify_finds_rows_that_are_not_what_was_written(slipstream: Cli, lake: Path) -> None:
    import pyarrow.parquet as pq

    damaged = next(path for path in (lake / "raw/weather").rglob("*.parquet") if "20130102" in path.parent.name)
    pq.write_table(pq.ParquetFile(damaged).read().slice(1), damaged)

    result = slipstream("lake", "verify", "--json")

    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert [(row["table"], row["interval"]) for row in found["intervals"] if not row["ok"]] == [("raw/weather", DAY)]
    assert "Not what was written" in slipstream("lake", "verify").output


def test_verify_can_look_at_a_stretch_of_every_table(answer: Cli, lake: Path) -> None:
    found = answer("lake", "verify", "--interval", "2013-01-02")

    assert {row["interval"] for row in found["intervals"]} == {DAY}
    assert {row["table"] for row in found["intervals"]} == {"raw/weather", "quarantine/weather"}


def test_verifying_nothing_is_no_success(slipstream: Cli, lake: Path) -> None:
    result = slipstream("lake", "verify", "--interval", "2014-06-01")

    assert isinstance(result.exception, NotFoundError)
    assert "2014-06-01" in str(result.exception)


def test_the_places_of_a_lake_are_made_once(answer: Cli, home: Path) -> None:
    first = answer("lake", "prepare", str(home / "artifacts"))

    assert first[0] == {"made": True, "place": str(home / "lake")}
    assert str(home / "artifacts") in [each["place"] for each in first]
    assert not any(each["made"] for each in answer("lake", "prepare"))


def test_a_copied_lake_is_the_same_lake(answer: Cli, slipstream: Cli, lake: Path, tmp_path: Path) -> None:
    copied = answer("lake", "copy", str(lake), str(tmp_path / "backup"))

    assert copied["copied"] > 3
    assert copied["present"] == 0
    assert "0 file(s) copied" in slipstream("lake", "copy", str(lake), str(tmp_path / "backup")).output
    result = slipstream("lake", "copy", str(tmp_path / "nowhere"), str(tmp_path / "backup"))
    assert isinstance(result.exception, NotFoundError)
