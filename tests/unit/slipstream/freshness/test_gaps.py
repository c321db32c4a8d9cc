from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slipstream.freshness import Gap, find_gaps
from slipstream.intervals import Interval, utc
from slipstream.promotion.history import Entry, append

FIRST = utc("2013-03-01")
RAW, TREND, SHARE, SCORES, WATCH = (
    "raw/sales",
    "features/trend",
    "features/share",
    "predictions/visits",
    "monitoring/visits",
)
Kiosk = Any


def day(number: int) -> Interval:
    return Interval(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def days(gaps: list[Gap], table: str, cause: str | None = None) -> list[int]:
    chosen = [each for each in gaps if each.table == table and cause in (None, each.cause)]
    return [(each.interval.start - FIRST).days for each in chosen]


def crown(kiosk: Kiosk, as_of: str) -> None:
    """Write to the ledger that version 1 was promoted as of a time."""
    entry = Entry(action="promoted", version="1", challenger="1", as_of=utc(as_of), reason="", by="ada", run_id="d/r")
    append("visits", lake=kiosk.lake, run=kiosk.run, decide=lambda rows: entry)


def test_a_batch_that_is_there_was_not_run_and_one_that_is_not_has_not_arrived(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    kiosk.ingest(definitions, 0, 1.0)
    kiosk.send(1, 1.0)

    gaps = kiosk.gaps(definitions, "2013-03-04T12:00Z")

    assert days(gaps, RAW, "not_run") == [1]
    assert days(gaps, RAW, "not_arrived") == [2]
    assert [each.fillable for each in gaps if each.table == RAW] == [True, False]


def test_a_batch_is_no_gap_before_it_is_expected(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    assert days(kiosk.gaps(definitions, "2013-03-02T00:59Z"), RAW) == []
    assert days(kiosk.gaps(definitions, "2013-03-02T01:00Z"), RAW) == [0]


def test_a_view_that_nobody_ran_is_told_from_one_that_waits(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    for number in (0, 1, 3, 4):
        kiosk.ingest(definitions, number, 1.0)

    gaps = kiosk.gaps(definitions, "2013-03-06T12:00Z")

    assert days(gaps, RAW) == [2]
    assert days(gaps, TREND, "not_run") == [0, 1]
    assert days(gaps, TREND, "inputs_missing") == [2, 3, 4]
    waiting = next(each for each in gaps if each.table == TREND and each.missing)
    assert [(each.table, each.intervals) for each in waiting.missing] == [(RAW, (day(2),))]
    assert not waiting.fillable  # its batch has not arrived
    assert [each.fillable for each in gaps if each.table == SHARE] == [True, True, False, False, False]


def test_what_waits_for_something_that_nobody_ran_can_be_filled_with_it(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    kiosk.send(0, 1.0)
    gaps = kiosk.gaps(definitions, "2013-03-02T12:00Z")
    assert [(each.table, each.cause, each.fillable) for each in gaps] == [
        (RAW, "not_run", True),
        (TREND, "inputs_missing", True),
        (SHARE, "inputs_missing", True),
    ]


def test_a_replayed_past_is_no_gap_up_to_today_but_its_source_says_that_nothing_arrived(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    for number in range(2):
        kiosk.ingest(definitions, number, 1.0)
    kiosk.make(definitions, TREND, 0)

    gaps = kiosk.gaps(definitions, "2013-06-01T12:00Z")

    assert days(gaps, RAW, "not_arrived") == list(range(2, 92))
    assert days(gaps, TREND) == [1]
    assert days(kiosk.gaps(definitions, "2013-06-01T12:00Z", until=utc("2013-03-05")), TREND) == [1, 2, 3]
    assert days(kiosk.gaps(definitions, "2013-06-01T12:00Z", since=utc("2013-05-31")), RAW) == [91]


def test_nothing_is_due_after_the_end_of_a_definition(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    ended = definitions.source("sales").model_copy(update={"end": day(1).end})
    definitions = replace(definitions, sources={"sales": ended})
    assert days(kiosk.gaps(definitions, "2026-01-01"), RAW) == [0, 1]


def test_predictions_are_due_from_the_time_of_the_first_champion_on(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    for number in range(5):
        kiosk.ingest(definitions, number, 1.0)
    kiosk.make(definitions, TREND, *range(5))
    kiosk.make(definitions, SHARE, *range(5))
    assert kiosk.gaps(definitions, "2013-03-06T00:30Z") == []

    crown(kiosk, "2013-03-04")
    gaps = kiosk.gaps(definitions, "2013-03-06T00:30Z")

    assert days(gaps, SCORES, "not_run") == [3, 4, 5]  # day 5 begins, and is scored at its start
    assert days(gaps, WATCH, "inputs_missing") == [3, 4]
    assert all(each.fillable for each in gaps)


def test_a_hole_in_what_was_scored_before_is_a_gap(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    kiosk.make_all(definitions)
    crown(kiosk, "2013-03-06")
    shop = kiosk.gaps(definitions, "2013-03-07T00:30Z")
    assert days(shop, SCORES) == [6]
    hole = definitions.model("visits").model_copy(update={"name": "other"})
    others = replace(definitions, models={"other": hole})
    for number in (1, 3):
        kiosk.lake.table("predictions/other").write(
            day(number),
            kiosk.lake.table(SCORES).read(day(1).start, day(1).end),
            provenance=kiosk_provenance(kiosk),
        )
    found = kiosk.gaps(others, "2013-03-05T00:30Z")
    assert days(found, "predictions/other") == [2, 4]


def kiosk_provenance(kiosk: Kiosk) -> Any:
    from slipstream.lake import Provenance

    return Provenance(run=kiosk.run)


@pytest.mark.parametrize("now", ["2013-03-01", "2012-01-01"])
def test_nothing_is_due_before_it_began(kiosk: Kiosk, now: str) -> None:
    definitions = kiosk.define()
    assert find_gaps(definitions=definitions, lake=kiosk.lake, settings=kiosk.settings, now=utc(now)) == []
