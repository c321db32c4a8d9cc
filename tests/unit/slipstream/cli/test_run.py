from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipstream.errors import BatchNotReadyError, DefinitionError, IncompleteError, NotFoundError

Cli = Callable[..., Any]


def test_a_batch_is_ingested_without_airflow(answer: Cli) -> None:
    [published] = answer("run", "ingestion", "weather", "--interval", "2013-01-01")

    assert published["rows_in"] == published["accepted"] + published["quarantined"] == 52
    assert published["changed"] is True


def test_running_it_again_changes_nothing(answer: Cli, lake: Path) -> None:
    before = answer("lake", "verify")

    again = answer("run", "ingestion", "weather", "--interval", "2013-01-01/2013-01-04")

    assert [each["changed"] for each in again] == [False] * 3
    assert answer("lake", "verify") == before


def test_a_moment_stands_for_the_interval_that_holds_it(answer: Cli) -> None:
    [published] = answer("run", "ingestion", "planes", "--interval", "2012-05-17")

    assert published["interval"] == "2012-01-01T00:00:00Z/2013-01-01T00:00:00Z"
    assert (published["rows_in"], published["accepted"]) == (3322, 3282)


def test_the_result_is_printed_for_people_too(slipstream: Cli, lake: Path) -> None:
    result = slipstream("run", "ingestion", "weather", "--interval", "2013-01-01")

    assert result.exit_code == 0
    assert '"accepted"' in result.output


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ("2013-01-01T06:00/2013-01-02T06:00", "the nearest is 2013-01-01T00:00:00Z/2013-01-03T00:00:00Z"),
        ("yesterday", "found 'yesterday'"),
        ("2013-01-02/2013-01-01", "ends after it starts"),
        ("2012-01-01", "has intervals from 2013-01-01T00:00:00Z"),
        ("2020-01-01", "has intervals from 2013-01-01T00:00:00Z"),
    ],
)
def test_an_interval_that_does_not_fit_is_refused(slipstream: Cli, interval: str, says: str) -> None:
    result = slipstream("run", "ingestion", "weather", "--interval", interval)

    assert isinstance(result.exception, DefinitionError)
    assert says in str(result.exception)


@pytest.mark.parametrize(
    "words",
    [
        ("ingestion", "weather"),
        ("ingestion", "weather", "--as-of", "2013-02-01"),
        ("training", "arrival_delay", "--interval", "2013-02-01"),
        ("cooking", "weather"),
        ("ingestion", "weather", "--interval", "2013-01-01", "--twice"),
    ],
)
def test_wrong_usage_exits_with_2(slipstream: Cli, words: tuple[str, ...]) -> None:
    assert slipstream("run", *words).exit_code == 2


def test_a_misspelt_definition_is_an_error_that_names_the_nearest(slipstream: Cli) -> None:
    result = slipstream("run", "ingestion", "wether", "--interval", "2013-01-01")

    assert isinstance(result.exception, NotFoundError | DefinitionError)
    assert "weather" in str(result.exception)


def test_a_batch_that_is_not_there_may_come_later(slipstream: Cli) -> None:
    result = slipstream("run", "ingestion", "weather", "--interval", "2013-06-01")

    assert isinstance(result.exception, BatchNotReadyError)


def test_features_without_their_inputs_name_the_backfill_that_makes_them(slipstream: Cli) -> None:
    result = slipstream("run", "features", "aircraft", "--interval", "2012-01-01")

    assert isinstance(result.exception, IncompleteError)
    assert "airflow backfill create --dag-id planes.ingestion" in str(result.exception)


def test_features_are_made_without_airflow(answer: Cli) -> None:
    [published] = answer("run", "ingestion", "planes", "--interval", "2012-01-01")

    [made] = answer("run", "features", "aircraft", "--interval", "2012-01-01")

    assert made["rows"] == published["accepted"]
