from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import Model
from slipstream.errors import IncompleteError, NoChampionError
from slipstream.intervals import Interval, utc
from slipstream.monitoring import (
    DriftReport,
    PerformanceReport,
    last_alarm,
    monitor,
    monitoring_inputs,
    report_drift,
    report_performance,
)
from slipstream.monitoring.columns import columns_frame, compare_frames, judge_columns
from slipstream.monitoring.decision import judge
from slipstream.monitoring.rows import Measurement
from slipstream.monitoring.verdicts import verdicts_of
from slipstream.promotion import Registry, Verdict
from slipstream.scoring import score

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)


def interval(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


def watched(shop: Any, task: str = "binary_classification", **changes: Any) -> tuple[dict[str, Any], Model]:
    """Return a model whose first champion stands at day 20, so that what is predicted from there on is watched."""
    model = shop.model(task, **changes)
    shop.train(model, FIRST + 20 * DAY)
    assert shop.settle(model, shop.judge(model)).action == "promoted"
    return {**shop.source, "run": shop.run}, model


def watch(shop: Any, how: dict[str, Any], model: Model, last: int, *, first: int = 20) -> Any:
    """Score the days from ``first`` to ``last`` and watch the last one."""
    for number in range(first, last + 1):
        score(model, interval(number), **how)
    return monitor(model, interval(last), **how)


def rows_of(shop: Any, model: Model) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.lake.table(model.monitoring_table).read().to_pylist()
    return found


@pytest.mark.parametrize("task", ["binary_classification", "regression"])
def test_ten_days_are_watched_and_watching_again_changes_nothing(stocked_shop: Any, task: str) -> None:
    how, model = watched(stocked_shop, task)
    first = watch(stocked_shop, how, model, 29)
    again = monitor(model, interval(29), **how)
    assert (first.changed, again.changed) == (True, False)
    rows = rows_of(stocked_shop, model)
    assert {row["kind"] for row in rows} >= {"data_quality", "drift", "prediction_drift", "target_drift", "performance"}
    verdicts = [row["metric"] for row in rows if row["kind"] == "verdict"]
    assert verdicts == ["data_quality", "drift", "prediction_drift", "performance"]
    judged = [row["metric"] for row in rows if row["kind"] == "performance" and row["threshold"] is not None]
    assert judged == ["labels", "log_loss" if task == "binary_classification" else "mae"]
    assert {row["rows"] for row in rows if row["kind"] == "data_quality"} == {100}
    assert {row["weight"] for row in rows if row["kind"] == "data_quality"} == {0.3333}
    commit = stocked_shop.lake.table(model.monitoring_table).commit_of(interval(29))
    assert {model.table, "raw/orders", "raw/outcomes", "features/order_facts"} == set(commit.provenance["inputs"])
    for page, word in ((first.report, "order_facts__kind"), (first.report.replace("drift", "performance"), "label")):
        path = Path(stocked_shop.settings.reports) / page
        assert 100_000 < path.stat().st_size < 5_000_000
        assert word in path.read_text(encoding="utf-8")
        assert not list(path.parent.glob("*.partial"))


def test_a_window_that_begins_before_the_first_champion_is_not_judged(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    decision = watch(stocked_shop, how, model, 25)
    assert (decision.beyond, decision.retrain, decision.report) == ((), False, None)
    notes = [row["note"] for row in rows_of(stocked_shop, model)]
    assert any("the first whole one ends at 2013-01-28T00:00:00Z" in note for note in notes)
    assert last_alarm(model, lake=stocked_shop.lake) is None


def test_too_few_predictions_and_labels_are_not_judged(stocked_shop: Any) -> None:
    bounds = stocked_shop.definitions.model("churn").monitoring.model_copy(update={"min_rows": 500})
    how, model = watched(stocked_shop, monitoring=bounds)
    decision = watch(stocked_shop, how, model, 29)
    assert (decision.beyond, decision.retrain, decision.report) == ((), False, None)
    notes = [row["note"] for row in rows_of(stocked_shop, model)]
    assert "420 predictions in the window; fewer than 500 are not judged." in notes
    assert any(note.startswith("pending: 100 of 100 predictions have labels; fewer than 500") for note in notes)
    assert "pending" in notes


def test_scoring_in_any_order_gives_the_same_numbers(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    for number in range(29, 22, -1):
        score(model, interval(number), **how)
    with pytest.raises(IncompleteError, match=r"1 interval\(s\) from 2013-01-23T00:00:00Z"):
        monitor(model, interval(28), **how)
    needed = monitoring_inputs(model, interval(28), definitions=how["definitions"], lake=stocked_shop.lake)
    scored = next(each.intervals for each in needed if each.table == model.table)
    assert (scored[0], scored[-1]) == (interval(21), interval(28))
    for number in (21, 20, 22):
        score(model, interval(number), **how)
    backwards = [monitor(model, interval(number), **how).digest for number in (29, 28, 27)]
    again = [monitor(model, interval(number), **how) for number in (27, 28, 29)]
    assert [each.digest for each in again] == backwards[::-1]
    assert not any(each.changed for each in again)


def test_what_a_version_says_of_the_time_that_it_was_trained_on_does_not_count(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    watch(stocked_shop, how, model, 29)
    newer = stocked_shop.train(model, FIRST + 38 * DAY).version
    rival = Verdict.from_dict({**stocked_shop.judge(model).as_dict(), "outcome": "accepted", "challenger": newer})
    stocked_shop.settle(model, rival)
    watch(stocked_shop, how, model, 27)
    (row,) = [row for row in rows_of(stocked_shop, model) if row["metric"] == "window" and row["kind"] == "drift"]
    assert (row["value"], row["model_version"]) == (0, newer)
    assert "420 more are of times that their version was trained on" in row["note"]
    watch(stocked_shop, how, model, 31, first=30)
    rows = [row for row in rows_of(stocked_shop, model) if row["event_time"] == interval(31).start]
    assert {row["value"] for row in rows if row["kind"] == "prediction_drift"} == {None}
    assert any(row["kind"] == "drift" and row["value"] for row in rows)


def test_a_window_whose_labels_are_half_there_is_pending(stocked_shop: Any, shop: Any) -> None:
    bounds = stocked_shop.definitions.model("churn").monitoring.model_copy(update={"min_label_share": 1.0})
    label = stocked_shop.definitions.model("churn").label.model_copy(update={"maturity": timedelta(0)})
    how, model = watched(stocked_shop)
    rushed = model.model_copy(update={"monitoring": bounds, "label": label})
    decision = watch(stocked_shop, how, rushed, 29)
    assert "performance" not in decision.beyond
    rows = {row["metric"]: row for row in rows_of(stocked_shop, model) if row["kind"] == "performance"}
    assert rows["window"]["note"].startswith(
        "pending: 0 of 100 predictions have labels; less than 100% are not judged."
    )
    assert (rows["labels"]["value"], rows["labels"]["threshold"]) == (0.0, 1.0)


def test_the_week_before_is_compared_and_raises_no_alarm(stocked_shop: Any) -> None:
    bounds = {"also_compare": ("week_before", "year_before"), "drift_threshold": 0.001, "small_sample": 0}
    usual = stocked_shop.definitions.model("churn").monitoring
    how, model = watched(stocked_shop, monitoring=usual.model_copy(update=bounds))
    watch(stocked_shop, how, model, 34)
    rows = [row for row in rows_of(stocked_shop, model) if row["compared_with"] == "week_before"]
    assert [row["metric"] for row in rows if row["kind"] == "drift"] == list(model.feature_columns)
    assert not [row for row in rows if row["kind"] in ("verdict", "prediction_drift")]
    assert any(row["alarm"] for row in rows)
    assert not [row for row in rows_of(stocked_shop, model) if row["compared_with"] == "year_before"]


def test_a_version_registered_by_hand_does_not_stop_the_decision(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    registry = Registry.from_settings(stocked_shop.settings)
    registry.client.create_model_version(model.name, "file:///nowhere", await_creation_for=0)
    assert watch(stocked_shop, how, model, 29).model_version == "1"


def test_reports_survive_json(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    for number in range(20, 30):
        score(model, interval(number), **how)
    drift = report_drift(model, interval(29), **how)
    performance = report_performance(model, interval(29), **how)
    assert DriftReport.from_dict(json.loads(json.dumps(drift.as_dict(), allow_nan=False))) == drift
    plain = json.loads(json.dumps(performance.as_dict(), allow_nan=False))
    assert PerformanceReport.from_dict(plain) == performance


def test_nothing_is_watched_before_it_was_scored_or_promoted(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    with pytest.raises(IncompleteError, match=rf"--dag-id {model.name}.scoring"):
        monitor(model, interval(10), **how)
    with pytest.raises(NoChampionError):
        monitor(stocked_shop.model(), interval(10), **how)


KINDS = {"size": "double", "kind": "string"}


def table(size: Any, kind: Any) -> pa.Table:
    count = len(size)
    return pa.table(
        {
            "size": pa.array(size, pa.float64()),
            "kind": pa.array(kind, pa.string()),
            "score": pa.array(np.linspace(0, 1, count)),
        }
    )


def found(stocked_shop: Any, now: pa.Table, then: pa.Table) -> dict[tuple[str, str], Measurement]:
    bounds, kinds = stocked_shop.definitions.model("churn").monitoring, {**KINDS, "score": "double"}
    sides = columns_frame(now, kinds), columns_frame(then, kinds)
    rows = judge_columns(compare_frames(*sides, kinds, bounds), 0, bounds, {"size": 0.9, "kind": 0.1})
    return {(each.kind, each.metric): each for each in rows}


DICE = np.random.default_rng(3)
USUAL = table(DICE.normal(size=300), ["a", "b", None] * 100)


def test_the_same_rows_have_not_drifted(stocked_shop: Any) -> None:
    assert not [each for each in found(stocked_shop, USUAL, USUAL).values() if each.alarm]


@pytest.mark.parametrize(
    ("now", "then", "metric", "alarm"),
    [
        (table([None] * 300, ["a", "b", None] * 100), USUAL, ("data_quality", "size"), True),
        (table([None] * 300, ["a", "b", None] * 100), USUAL, ("drift", "size"), False),
        (table(DICE.normal(size=300) + 1, ["a"] * 300), USUAL, ("drift", "size"), True),
        (table(USUAL["size"], ["new"] * 300), USUAL, ("drift", "kind"), True),
        (table(USUAL["size"], [None] * 300), USUAL, ("data_quality", "kind"), True),
        (table([5.0] * 300, ["a"] * 300), table([5.0] * 300, ["a"] * 300), ("drift", "size"), False),
        (table([5.0] * 299 + [6.0], ["a"] * 300), table([5.0] * 300, ["a"] * 300), ("drift", "size"), False),
        (table([7.0] * 300, ["a"] * 300), table([5.0] * 300, ["a"] * 300), ("drift", "size"), True),
        (table([np.inf] * 150 + [0.0] * 150, ["a"] * 300), USUAL, ("data_quality", "size"), True),
    ],
)
def test_drift_is_told_from_noise_also_at_the_edges(
    stocked_shop: Any, now: pa.Table, then: pa.Table, metric: tuple[str, str], alarm: bool
) -> None:
    measured = found(stocked_shop, now, then)[metric]
    assert measured.alarm is alarm
    assert measured.value is None or abs(measured.value) < 100


def measured(
    kind: Any, metric: str, alarm: bool, value: float | None = 1.0, weight: float | None = None
) -> Measurement:
    return Measurement(kind, metric, "m", value, 0.2, alarm, 10, 10, weight=weight)


def test_features_drift_as_a_share_and_the_rest_by_any_one(stocked_shop: Any) -> None:
    model = stocked_shop.definitions.model("churn")
    metrics = [measured("drift", str(n), n == 0) for n in range(4)]
    metrics += [measured("data_quality", "a", False), measured("data_quality", "b", True)]
    metrics.append(measured("performance", "log_loss", False, None))
    verdicts = {each.metric: (each.alarm, each.value) for each in verdicts_of(model, metrics)}
    assert verdicts == {
        "data_quality": (True, 0.5),
        "drift": (False, 0.25),
        "prediction_drift": (False, None),
        "performance": (False, None),
    }


def test_retraining_waits_for_its_reasons_and_its_cooldown(stocked_shop: Any) -> None:
    model, now = stocked_shop.definitions.model("churn"), interval(20)
    assert judge(model, now, (), None)[0] is False
    assert judge(model, now, ("data_quality",), None)[0] is False
    assert judge(model, now, ("drift",), now.end - 8 * DAY)[0] is True
    retrain, reason = judge(model, now, ("drift",), now.end - 6 * DAY)
    assert (retrain, "within cooldown" in reason) == (False, True)


def test_drift_weighs_what_the_model_makes_of_a_feature(stocked_shop: Any) -> None:
    model = stocked_shop.definitions.model("churn")

    def verdict(**drifted: bool) -> Measurement:
        weights = {"much": 0.7, "some": 0.3, "none": 0.0}
        metrics = [measured("drift", name, drifted.get(name, False), weight=weights[name]) for name in weights]
        return next(each for each in verdicts_of(model, metrics) if each.metric == "drift")

    assert (verdict(much=True).value, verdict(much=True).alarm) == (0.7, True)
    assert verdict(much=True).note == "beyond bounds: much (70% of the attributions)"
    assert (verdict(none=True).value, verdict(none=True).alarm) == (0.0, False)
    assert verdict(none=True).note == "beyond bounds, but hardly used by the model: none"
