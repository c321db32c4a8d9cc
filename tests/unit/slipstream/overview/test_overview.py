"""What the overview and a model's page read, told from a history that is written by hand."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest

from slipstream.definitions import ValueCheck
from slipstream.intervals import Interval, utc
from slipstream.overview import model_details, overview, read_aliases
from slipstream.overview.cache import Kept
from slipstream.overview.decisions import decisions, reigns
from slipstream.overview.pictures import daily_bars, heat_map, metric_lines
from slipstream.overview.sources import sources_feeding, views_feeding
from slipstream.overview.watched import HeatMap, watched
from slipstream.promotion import Registry

FIRST = utc("2013-01-01")
EVIL = "<script>alert('x')</script>"


def day(number: int) -> Any:
    return FIRST + timedelta(days=number)


def row(shop: Any, model: Any, **how: Any) -> Any:
    return overview([model], lake=shop.lake, **how)[0]


def details(shop: Any, model: Any, **how: Any) -> Any:
    source = {"definitions": shop.definitions, "lake": shop.lake, "registry": None}
    return model_details(model, **{**source, **how})


def test_before_anything_was_done_there_is_a_row_that_says_so(shop: Any) -> None:
    found = row(shop, shop.model(), aliases={})

    assert (found.champion, found.challenger, found.scored, found.due, found.alarms) == (None,) * 5
    assert not found.late


def test_a_row_says_who_is_champion_since_when_and_who_challenges(shop: Any, history: Any) -> None:
    model = shop.model()
    first = history.decided(model, "promoted", "1")
    history.decided(model, "rejected", "2")

    found = row(shop, model, aliases={model.name: {"champion": "1", "challenger": "2"}})
    assert (found.champion, found.since) == ("1", first.at)
    assert (found.challenger.version, found.challenger.state) == ("2", "rejected")
    waiting = row(shop, model, aliases={model.name: {"challenger": "3"}})
    assert waiting.challenger.state == "not decided yet"
    assert row(shop, model, aliases=None).challenger is None
    assert row(shop, model, aliases={model.name: {"challenger": "1"}}).challenger is None, "it is champion already"


def test_a_row_is_late_once_the_next_interval_is_due(shop: Any, history: Any) -> None:
    model = shop.model()
    history.decided(model, "promoted", "1")
    history.scored(model, 9)

    # Scored at the start of an interval: that of day 10 is due when day 10 begins.
    before, after = (row(shop, model, now=day(10) + timedelta(seconds=seconds)) for seconds in (-1, 1))
    assert (before.scored, before.due) == (Interval(day(9), day(10)), day(10))
    assert (before.late, after.late) == (False, True)


def test_a_backfill_of_older_days_does_not_make_a_model_look_older(shop: Any, history: Any) -> None:
    model = shop.model()
    history.scored(model, 9)
    assert row(shop, model).scored.start == day(9)
    history.scored(model, 3)
    assert row(shop, model).scored.start == day(9)
    history.scored(model, 10)
    assert row(shop, model).scored.start == day(10), "the kept answer is made again when the table changes"


def test_an_alarm_is_open_once_enough_windows_are_beyond_their_bounds(shop: Any, history: Any) -> None:
    model = shop.model()
    history.watched(model, 10)
    assert row(shop, model).alarms == ()
    history.watched(model, 11, alarms=("drift",))
    history.watched(model, 12, alarms=("drift",))
    found = row(shop, model)
    assert (found.alarms, found.watched_until) == (("drift",), day(13))


def test_reigns_follow_each_other_through_promotion_and_rollback(shop: Any, history: Any) -> None:
    model, other = shop.model(), shop.model()
    first = history.decided(model, "promoted", "1")
    history.decided(other, "promoted", "8")
    history.decided(model, "undecided", "2")
    second = history.decided(model, "promoted", "2")
    back = history.decided(model, "rolled_back", "1")

    found = decisions(lake=shop.lake)
    held = [(each.version, each.since, each.until) for each in reigns(found[model.name])]
    assert held == [("1", first.at, second.at), ("2", second.at, back.at), ("1", back.at, None)]
    assert [each.version for each in reigns(found[other.name])] == ["8"]


def test_the_last_verdict_is_told_as_sentences_with_what_followed(shop: Any, history: Any) -> None:
    model = shop.model()
    history.decided(model, "promoted", "1")
    history.decided(model, "rejected", "2", reason="metric_gain failed: no better.", by="promotion")

    verdict = details(shop, model).verdict
    assert (verdict.challenger, verdict.rows, verdict.decision.action) == ("2", 1200, "rejected")
    assert verdict.checks == [("metric_gain", "passed", "metric_gain failed: no better.")]


def test_a_verdict_that_waits_for_a_person_is_the_last_one(shop: Any) -> None:
    model = shop.model()
    version = shop.train(model).version
    verdict = shop.judge(model)
    registry = Registry.from_settings(shop.settings)
    aliases = read_aliases(registry)
    assert aliases[model.name]["challenger"] == version

    found = details(shop, model, registry=registry, aliases=aliases)
    assert (found.verdict.challenger, found.verdict.outcome) == (version, verdict.outcome)
    assert found.verdict.decision is None
    shop.settle(model, verdict)
    after = details(shop, model, registry=registry, aliases=read_aliases(registry))
    assert after.verdict.decision.action == "promoted"
    assert after.made_of.version == version


def test_a_page_has_what_is_newest_however_long_ago_that_is(shop: Any, history: Any) -> None:
    model = shop.model()
    for number in (2, 20, 21):
        history.scored(model, number, rows=number)
    found = details(shop, model, days=10, now=utc("2026-01-01"))
    assert found.span == Interval(day(12), day(22))
    assert found.predictions == {date(2013, 1, 21): 20, date(2013, 1, 22): 21}


def test_drift_is_a_map_of_features_by_windows_and_performance_a_line(shop: Any, history: Any) -> None:
    model = shop.model()
    history.watched(model, 10, drift={"order_facts__size": 0.1}, loss=None, note="pending: 0 of 3 have labels")
    history.watched(model, 11, drift={"order_facts__size": 0.5, "order_facts__kind": 0.0}, loss=0.8, version="2")

    found = watched(model, Interval(day(0), day(30)), lake=shop.lake)
    assert (found.heat.features, len(found.heat.windows)) == (["order_facts__kind", "order_facts__size"], 2)
    cell = found.heat.cells["order_facts__size", day(11)]
    assert (cell.value, cell.alarm, cell.strength) == (0.5, True, 2.5)
    points = found.metrics["log_loss"]
    assert [(each.at, each.value, each.alarm, each.version) for each in points] == [(day(12), 0.8, True, "2")]
    assert (list(found.metrics), found.pending) == (["log_loss"], "")
    assert watched(model, Interval(day(0), day(11)), lake=shop.lake).pending == "pending: 0 of 3 have labels"


def test_sources_are_counted_from_the_log_and_found_through_views(stocked_shop: Any) -> None:
    model = stocked_shop.model()
    assert sources_feeding(model, definitions=stocked_shop.definitions) == ["orders", "outcomes"]
    assert views_feeding(model, definitions=stocked_shop.definitions) == ["order_facts"]
    found = details(stocked_shop, model, days=10, now=day(40))
    orders = next(each for each in found.sources if each.name == "orders")
    assert (orders.accepted, orders.quarantined, orders.share) == (540, 0, 0.0)  # the last day's orders are not sent
    assert orders.latest == Interval(day(39), day(40))


def test_what_predictions_were_worth_is_told_of_a_gate_that_asks(shop: Any, history: Any) -> None:
    model = shop.model()
    numbers = {"unit": "EUR", "challenger_a_day": 12.5, "champion_a_day": 10.0}
    worth = {"name": "value", "outcome": "passed", "sentence": "It is.", "numbers": numbers}
    history.decided(model, "promoted", "1", checks=[worth])
    assert details(shop, model).worth == ()
    asks = model.model_copy(update={"gate": (*model.gate, ValueCheck(check="value", true_positive=1))})
    found = details(shop, asks).worth
    assert [(each.version, each.challenger, each.champion, each.unit) for each in found] == [("1", 12.5, 10.0, "EUR")]


def test_what_is_kept_is_bounded_and_made_again_only_when_the_table_changed(shop: Any, history: Any) -> None:
    model, kept, made = shop.model(), Kept(limit=3), []

    def make(table: Any) -> int:
        made.append(table.name)
        return len(table.intervals())

    for number in range(2):
        history.scored(model, number)
        assert [kept.of(shop.lake, model.table, "n", make) for _ in range(3)] == [number + 1] * 3
    assert len(made) == 2
    for what in range(10):
        kept.of(shop.lake, model.table, what, make)
    assert len(kept) == 3
    assert kept.of(shop.lake, "predictions/none", "n", make) == 0, "a table that is not there yet is not an error"


def test_a_table_that_was_deleted_and_written_anew_is_not_mistaken_for_the_old_one(shop: Any, history: Any) -> None:
    import shutil

    model, kept = shop.model(), Kept()
    history.scored(model, 0, rows=5)
    assert kept.of(shop.lake, model.table, "n", lambda table: sum(table.counts().values())) == 5
    shutil.rmtree(shop.lake.path(model.table))
    history.scored(model, 0, rows=7)
    assert kept.of(shop.lake, model.table, "n", lambda table: sum(table.counts().values())) == 7


@pytest.mark.parametrize("windows", [1, 2, 90])
def test_pictures_escape_what_they_are_given_and_name_unit_and_window(shop: Any, history: Any, windows: int) -> None:
    model, span = shop.model(), Interval(day(0), day(100))
    for number in range(windows):
        history.watched(model, number, drift={EVIL: number / windows}, loss=0.6 + number / 300, version=EVIL)
    found = watched(model, span, lake=shop.lake)
    heat = heat_map(found.heat, address=lambda _: "/x?a='\"><b>", title=EVIL)
    lines = metric_lines(found.metrics["log_loss"], span, metric=EVIL, unit="nats")
    bars = daily_bars({date(2013, 1, 1): 5}, span)
    assert "<script" not in heat + lines + bars
    assert "><b>" not in heat
    assert heat.count("<a ") == windows, "one link a window, so that a keyboard gets through"
    assert "nats" in lines
    assert "2013-01-01 to 2013-04-11 UTC" in lines
    assert "predictions a day" in bars


def test_values_that_are_no_numbers_do_not_break_a_picture(shop: Any, history: Any) -> None:
    model, span = shop.model(), Interval(day(0), day(30))
    for number, value in enumerate((float("nan"), float("inf"), -1.0, 0.3)):
        history.watched(model, number, drift={"order_facts__size": value}, loss=value)
    found = watched(model, span, lake=shop.lake)
    assert [point.value for point in found.metrics["log_loss"]] == [-1.0, 0.3]
    assert [cell.strength for cell in found.heat.cells.values()] == [0.0, float("inf"), 0.0, pytest.approx(1.5)]
    drawn = heat_map(found.heat, address=lambda _: "/", title="odd")
    drawn += metric_lines(found.metrics["log_loss"], span, metric="loss", unit="nats")
    assert not re.search(r'="[^"]*(nan|inf)[^"]*"', drawn)


def test_an_empty_map_is_still_a_picture() -> None:
    assert heat_map(HeatMap(), address=lambda _: "", title="nothing").startswith("<svg")
