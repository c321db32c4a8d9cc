from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.errors import DefinitionError, NotFoundError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance
from slipstream.lake import Run as Writer
from slipstream.monitoring.rows import Measurement, schema
from slipstream.promotion.history import Entry, append

Cli = Callable[..., Any]


def crown(lake: Path) -> datetime:
    """Write to the ledger that version 3 was promoted; return when."""
    entry = Entry(action="promoted", version="3", challenger="3", reason="All checks passed.", by="ada", run_id="d/r")
    run = Writer("arrival_delay.promotion", "r", "promote_challenger")
    return append("arrival_delay", lake=Lake(lake), run=run, decide=lambda rows: entry).at


def alarm(lake: Path, *, day: int, beyond: tuple[str, ...]) -> None:
    """Write what monitoring came to on a day of January 2013: a verdict a kind."""
    start = datetime(2013, 1, day, tzinfo=UTC)
    end, kinds = start + timedelta(days=1), ("drift", "prediction_drift")
    found = [Measurement("verdict", kind, "share", 1.0, None, kind in beyond, 9, 9, "") for kind in kinds]
    when = {"window_start": start, "window_end": end, "event_time": start, "known_at": end, "model_version": "1"}
    rows = pa.Table.from_pylist([{**each.as_dict(), **when} for each in found], schema=schema())
    table = Lake(lake).table("monitoring/arrival_delay")
    table.write(Interval(start, end), rows, provenance=Provenance(Writer.local()))


def test_status_answers_before_anything_was_done(slipstream: Cli, answer: Cli) -> None:
    found = answer("status")

    assert {each["name"] for each in found["models"]} == {"arrival_delay", "air_time"}
    assert {each["latest_interval"] for each in found["sources"]} == {None}
    assert {each["champion"] for each in found["models"]} == {None}
    assert "`slipstream up` starts them" in slipstream("status").output.replace("\n", " ")


def test_status_says_how_far_everything_is_and_who_is_champion(answer: Cli, lake: Path) -> None:
    crown(lake)

    found = answer("status")

    weather = next(each for each in found["sources"] if each["name"] == "weather")
    assert weather == {
        "name": "weather",
        "intervals": 3,
        "latest_interval": "2013-01-03T00:00:00Z/2013-01-04T00:00:00Z",
    }
    model = next(each for each in found["models"] if each["name"] == "arrival_delay")
    assert model["champion"] == "3"


def test_status_says_the_last_alarm_in_a_few_words(slipstream: Cli, answer: Cli, lake: Path) -> None:
    alarm(lake, day=1, beyond=("prediction_drift", "drift"))
    alarm(lake, day=2, beyond=("prediction_drift", "drift"))
    alarm(lake, day=5, beyond=("drift",))

    model = next(each for each in answer("status")["models"] if each["name"] == "arrival_delay")
    shown = slipstream("status").output

    assert model["last_alarm"]["alarms"] == ["drift", "prediction_drift"]
    assert model["last_alarm"]["open"] is False
    assert "drift, prediction_drift: 2013-01-03 to 2013-01-03, not retrained" in " ".join(shown.split())
    assert "{" not in shown
    assert model["last_alarm"]["at"] == "2013-01-03T00:00:00Z"


def test_status_gives_the_same_document_twice(slipstream: Cli, lake: Path) -> None:
    assert slipstream("status", "--json").stdout == slipstream("status", "--json").stdout


def test_without_a_champion_the_command_says_how_to_get_one(slipstream: Cli, answer: Cli) -> None:
    result = slipstream("champion", "arrival_delay")

    assert result.exit_code == 1
    assert "arrival_delay.training" in result.output
    assert answer("champion", "arrival_delay") == {"model": "arrival_delay", "version": None}


def test_the_champion_is_named_with_reason_and_person(slipstream: Cli, lake: Path) -> None:
    at = crown(lake)

    result = slipstream("champion", "arrival_delay")

    assert result.exit_code == 0
    assert f"version 3, champion since {at:%Y-%m-%d %H:%M:%S} UTC, by ada." in result.output
    assert "All checks passed." in result.output


def test_the_champion_of_an_earlier_time_is_known(slipstream: Cli, answer: Cli, lake: Path) -> None:
    at = crown(lake)

    then = answer("champion", "arrival_delay", "--at", at.isoformat())
    before = slipstream("champion", "arrival_delay", "--at", "2013-01-01")

    assert then["version"] == "3"
    assert before.exit_code == 1
    assert f"no champion at 2013-01-01; its first one came at {at:%Y-%m-%d %H:%M:%S} UTC" in before.output
    assert at > datetime(2013, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("words", [("arrival_dely",), ("arrival_delay", "--at", "soon")])
def test_a_model_or_time_that_is_none_is_refused(slipstream: Cli, words: tuple[str, ...]) -> None:
    result = slipstream("champion", *words)

    assert isinstance(result.exception, NotFoundError | DefinitionError)
