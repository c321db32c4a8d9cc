from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import Model
from slipstream.errors import IncompleteError, NoChampionError
from slipstream.intervals import Interval, utc
from slipstream.monitoring import DriftReport, PerformanceReport, last_alarm, monitor, report_drift, report_performance
from slipstream.monitoring.decision import _newest_training, judge, verdicts_of
from slipstream.monitoring.drift import _measure
from slipstream.monitoring.rows import Measurement
from slipstream.scoring import score

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)


def interval(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


def watched(shop: Any, task: str = "binary_classification") -> tuple[dict[str, Any], Model]:
    model = shop.model(task)
    shop.train(model)
    assert shop.settle(model, shop.judge(model)).action == "promoted"
    return {**shop.source, "run": shop.run}, model


@pytest.mark.parametrize("task", ["binary_classification", "regression"])
def test_two_weeks_are_watched_and_watching_again_changes_nothing(stocked_shop: Any, task: str) -> None:
    how, model = watched(stocked_shop, task)
    for number in range(10, 20):
        score(model, interval(number), **how)
    first = monitor(model, interval(19), **how)
    again = monitor(model, interval(19), **how)
    assert (first.changed, again.changed) == (True, False)
    rows = stocked_shop.lake.table(model.monitoring_table).read().to_pylist()
    kinds = {row["kind"] for row in rows}
    assert kinds == {"data_quality", "drift", "prediction_drift", "performance", "verdict", "decision"}
    assert [row["metric"] for row in rows if row["kind"] == "verdict"] == [
        "data_quality",
        "drift",
        "prediction_drift",
        "performance",
    ]
    judged = [row["metric"] for row in rows if row["kind"] == "performance" and row["threshold"] is not None]
    assert judged == ["log_loss" if task == "binary_classification" else "mae"]
    assert {row["rows"] for row in rows if row["kind"] == "data_quality"} == {100}
    commit = stocked_shop.lake.table(model.monitoring_table).commit_of(interval(19))
    assert {model.table, "raw/orders", "raw/outcomes", "features/order_facts"} == set(commit.provenance["inputs"])
    page = Path(stocked_shop.settings.reports) / str(first.report)
    assert 100_000 < page.stat().st_size < 5_000_000
    assert "order_facts__kind" in page.read_text(encoding="utf-8")


def test_the_first_days_have_too_few_predictions_and_labels_to_judge(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    score(model, interval(10), **how)
    decision = monitor(model, interval(10), **how)
    assert (decision.alarms, decision.retrain, decision.report) == ((), False, None)
    notes = [row["note"] for row in stocked_shop.lake.table(model.monitoring_table).read().to_pylist()]
    assert "60 predictions in the window; fewer than 200 are not judged." in notes
    assert any(note.startswith("pending: 0 of 0 predictions have labels") for note in notes)
    assert last_alarm(model, lake=stocked_shop.lake) is None


def test_reports_survive_json(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    for number in range(10, 15):
        score(model, interval(number), **how)
    drift = report_drift(model, interval(14), **how)
    performance = report_performance(model, interval(14), **how)
    assert DriftReport.from_dict(json.loads(json.dumps(drift.as_dict(), allow_nan=False))) == drift
    plain = json.loads(json.dumps(performance.as_dict(), allow_nan=False))
    assert PerformanceReport.from_dict(plain) == performance


def test_nothing_is_watched_before_it_was_scored_or_promoted(stocked_shop: Any) -> None:
    how, model = watched(stocked_shop)
    with pytest.raises(IncompleteError, match=rf"--dag-id {model.name}.scoring"):
        monitor(model, interval(10), **how)
    with pytest.raises((NoChampionError, IncompleteError)):
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
    model = stocked_shop.definitions.model("churn")
    return {(each.kind, each.metric): each for each in _measure(model, now, then, KINDS)[1]}


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


def measured(kind: Any, metric: str, alarm: bool, value: float | None = 1.0) -> Measurement:
    return Measurement(kind, metric, "m", value, 0.2, alarm, 10, 10)


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


def test_the_training_that_a_decision_starts_does_not_change_it(shop_definitions: Any) -> None:
    model, now = shop_definitions.model("churn"), interval(20)
    trained = {"1": now.end - 9 * DAY, "2": now.end, "3": now.end + DAY}
    registry: Any = SimpleNamespace(
        versions=lambda model: list(trained), details=lambda model, version: SimpleNamespace(as_of=trained[version])
    )
    assert _newest_training(registry, model, now.end) == trained["1"]
    assert _newest_training(registry, model, now.end + DAY) == trained["2"]
    assert _newest_training(registry, model, FIRST) is None
