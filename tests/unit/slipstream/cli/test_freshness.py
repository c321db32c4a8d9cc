from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slipstream.definitions import get_definitions
from slipstream.features import materialise
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
from slipstream.settings import get_settings

Cli = Callable[..., Any]
DAY = Interval.parse("2013-01-02")


def make_views(*days: str) -> None:
    """Make days of a view that reads weather and movements, of which there are none."""
    settings = get_settings()
    definitions, lake, run = get_definitions(settings.definitions), Lake.from_settings(settings), Run.local()
    source = definitions.source("movements")
    for text in days:
        interval = Interval.parse(text)
        lake.table(source.table).write(interval, source.table_schema.empty_table(), provenance=Provenance(run=run))
        view = definitions.view("airport_conditions")
        materialise(view, interval, definitions=definitions, lake=lake, settings=settings, run=run)


def correct(day: str) -> None:
    lake = Lake.from_settings(get_settings())
    interval = Interval.parse(day)
    table = lake.table("raw/weather")
    rows = table.read(interval.start, interval.end)
    table.write(interval, rows.slice(1), provenance=Provenance(run=Run.local()))


def test_nothing_is_stale_in_an_empty_lake(slipstream: Cli, answer: Cli) -> None:
    assert answer("stale") == {"stale": [], "backfills": []}
    assert "Nothing is stale" in slipstream("stale").output


def test_a_corrected_day_is_told_with_the_line_that_mends_it(slipstream: Cli, answer: Cli, lake: Path) -> None:
    make_views("2013-01-01", "2013-01-02", "2013-01-03")
    assert answer("stale")["stale"] == []
    correct("2013-01-02")

    found = answer("stale")
    shown = slipstream("stale").output

    assert [each["interval"] for each in found["stale"]] == [str(DAY), "2013-01-03T00:00:00Z/2013-01-04T00:00:00Z"]
    assert {each["state"] for each in found["stale"]} == {"stale"}
    (line,) = found["backfills"]
    assert line["command"].startswith("airflow backfill create --dag-id airport_conditions.features")
    assert "raw/weather 2013-01-02 changed after it was read" in " ".join(shown.split())
    assert line["command"] in shown
    assert "--from-date 2013-01-02 --to-date 2013-01-03 --reprocess-behavior completed" in line["command"]


def test_gaps_are_told_in_stretches_with_the_lines_that_fill_them(slipstream: Cli, answer: Cli, lake: Path) -> None:
    words = ("gaps", "--until", "2013-01-04T02:00Z")
    found = answer(*words)
    shown = " ".join(slipstream(*words).output.split())

    causes = {(each["table"], each["cause"]) for each in found["gaps"]}
    assert ("raw/planes", "not_run") in causes
    assert ("raw/movements", "not_arrived") in causes
    assert ("features/airport_conditions", "inputs_missing") in causes
    assert not any(each["table"] == "raw/weather" for each in found["gaps"])
    commands = [line["command"] for line in found["backfills"]]
    assert any("--dag-id planes.ingestion --from-date 2012-01-01 --to-date 2012-01-01" in each for each in commands)
    assert any("--dag-id aircraft.features" in each for each in commands)
    assert not any("movements" in each or "airport_conditions" in each for each in commands)
    assert "raw/movements 2013-01-01/2013-01-04 3 its batch has not arrived" in shown
    assert "waits for raw/movements 2013-01-01/2013-01-04" in shown


def test_gaps_from_a_time_on(answer: Cli, lake: Path) -> None:
    found = answer("gaps", "--until", "2013-01-04T02:00Z", "--from", "2013-01-03")
    assert {each["interval"] for each in found["gaps"] if each["table"] == "raw/movements"} == {
        "2013-01-03T00:00:00Z/2013-01-04T00:00:00Z"
    }


def test_no_gaps_says_so_and_a_time_that_is_none_is_refused(slipstream: Cli) -> None:
    assert "No gaps" in slipstream("gaps", "--until", "2010-01-01").output
    assert slipstream("gaps", "--until", "soon").exit_code != 0
