from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import Model
from slipstream.errors import IncompleteError, NoChampionError
from slipstream.intervals import Interval, utc
from slipstream.lake import Provenance
from slipstream.monitoring import (
    DriftReport,
    PerformanceReport,
    last_alarm,
    monitor,
    monitoring_inputs,
    report_drift,
    report_performance,
)
from slipstream.monitoring.baseline import Baseline, open_baseline
from slipstream.monitoring.columns import columns_frame, compare_frames, judge_columns
from slipstream.monitoring.decision import judge
from slipstream.monitoring.reports import REPORT, UNTIL
from slipstream.monitoring.rows import Measurement
from slipstream.monitoring.verdicts import verdicts_of
from slipstream.promotion import Registry, Verdict, champion
from slipstream.scoring import score

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)


def interval(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


def crowned(shop: Any, **changes: Any) -> tuple[dict[str, Any], Model]:
    """Return a model of the test's own whose first champion stands at day 20: from there on it is watched."""
    model = shop.model(**changes)
    shop.train(model, FIRST + 20 * DAY)
    assert shop.settle(model, shop.judge(model)).action == "promoted"
    return {**shop.source, "run": shop.run}, model


def bounded(model: Model, **bounds: Any) -> Model:
    return model.model_copy(update={"monitoring": model.monitoring.model_copy(update=bounds)})


def watch(shop: Any, model: Model, number: int) -> tuple[Any, list[dict[str, Any]]]:
    """Watch a day; return the decision and the rows of that day alone."""
    decision = monitor(model, interval(number), run=shop.run, **shop.source)
    day = interval(number)
    return decision, shop.lake.table(model.monitoring_table).read(day.start, day.end).to_pylist()


def test_a_window_is_watched_and_watching_it_again_changes_nothing(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    first, rows = watch(shop, model, 29)
    again, _ = watch(shop, model, 29)
    assert (first.changed, again.changed) == (True, False)
    assert {row["kind"] for row in rows} >= {"data_quality", "drift", "prediction_drift", "target_drift", "performance"}
    verdicts = [row["metric"] for row in rows if row["kind"] == "verdict"]
    assert verdicts == ["data_quality", "drift", "prediction_drift", "performance"]
    judged = [row["metric"] for row in rows if row["kind"] == "performance" and row["threshold"] is not None]
    assert judged == ["labels", "log_loss"]
    assert {row["rows"] for row in rows if row["kind"] == "data_quality"} == {100}
    assert {row["weight"] for row in rows if row["kind"] == "data_quality"} == {0.3333}
    assert any("all features weigh the same: " in row["note"] for row in rows if row["metric"] == "weights")
    commit = shop.lake.table(model.monitoring_table).commit_of(interval(29))
    assert {model.table, "raw/orders", "raw/outcomes", "features/order_facts"} == set(commit.provenance["inputs"])
    for page, word in ((first.report, "order_facts__kind"), (first.report.replace("drift", "performance"), "label")):
        path = Path(shop.settings.reports) / page
        assert 100_000 < path.stat().st_size < 5_000_000
        assert word in path.read_text(encoding="utf-8")
        assert not list(path.parent.glob("*.partial"))
    registry = Registry.from_settings(shop.settings)
    tags = registry.run_tags(registry.details(model.name, str(first.model_version)).run_id)
    assert (tags[REPORT].endswith(first.report), tags[UNTIL]) == (True, "2013-01-31T00:00:00Z")


def test_a_window_that_begins_before_the_first_champion_is_not_judged(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    decision, rows = watch(shop, model, 25)
    assert (decision.beyond, decision.retrain, decision.report) == ((), False, None)
    assert any("the first whole one ends at 2013-01-28T00:00:00Z" in row["note"] for row in rows)
    assert last_alarm(model, lake=shop.lake) is None


def test_too_few_predictions_and_labels_are_not_judged(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    decision, rows = watch(shop, bounded(model, min_rows=500), 28)
    assert (decision.beyond, decision.retrain, decision.report) == ((), False, None)
    notes = [row["note"] for row in rows]
    assert "420 predictions in the window; fewer than 500 are not judged." in notes
    assert any(note.startswith("pending: 100 of 100 predictions have labels; fewer than 500") for note in notes)
    assert "pending" in notes


def test_a_window_whose_labels_are_half_there_is_pending(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    label = model.label.model_copy(update={"maturity": timedelta(0)})
    decision, rows = watch(shop, bounded(model, min_label_share=1.0).model_copy(update={"label": label}), 30)
    found = {row["metric"]: row for row in rows if row["kind"] == "performance"}
    assert "performance" not in decision.beyond
    assert found["window"]["note"].startswith("pending: 0 of 100 predictions have labels; less than 100%")
    assert (found["labels"]["value"], found["labels"]["threshold"]) == (0.0, 1.0)


def test_the_week_before_is_compared_and_raises_no_alarm(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    strict = {"drift_threshold": 0.001, "small_sample": 0, "noise_quantile": 0.0}
    _, rows = watch(shop, bounded(model, also_compare=("week_before", "year_before"), **strict), 34)
    before = [row for row in rows if row["compared_with"] == "week_before"]
    assert [row["metric"] for row in before if row["kind"] == "drift"] == list(model.feature_columns)
    assert not [row for row in before if row["kind"] in ("verdict", "prediction_drift")]
    assert any(row["alarm"] for row in before)
    assert not [row for row in rows if row["compared_with"] == "year_before"]


def test_the_noise_of_a_version_is_found_once_and_kept_with_its_run(
    watched: tuple[Any, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, model = watched
    registry, model = Registry.from_settings(shop.settings), bounded(model, noise_quantile=0.98)
    version = champion(model, lake=shop.lake).version
    run_id = registry.details(model.name, version).run_id

    def noise(keep: bool = True) -> Any:
        monkeypatch.setattr("slipstream.monitoring.baseline._kept", {})  # as in another process
        return open_baseline(model, version, registry, keep=keep).noise

    def kept() -> list[str]:
        return [each.path for each in registry.client.list_artifacts(run_id, "monitoring") if "noise" in each.path]

    before = kept()
    anew = noise(keep=False)
    assert kept() == before
    assert noise() == anew
    (path,) = set(kept()) - set(before)
    registry.log_document(run_id, {path: '{"distances": {"or'})
    assert noise() == anew
    monkeypatch.setattr(Baseline, "find_noise", None)
    assert noise() == anew


def test_a_threshold_is_never_below_the_noise_of_the_reference(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    thresholds = []
    for quantile in (0.0, 0.9):
        drift = report_drift(
            bounded(model, drift_threshold=0.01, noise_quantile=quantile), interval(31), run=shop.run, **shop.source
        )
        thresholds.append({each.metric: each.threshold for each in drift.metrics if each.kind == "drift"})
    assert {thresholds[0][name] for name in model.feature_columns} == {0.01}
    assert all(thresholds[1][name] > 0.05 for name in model.feature_columns)


def test_scoring_in_any_order_gives_the_same_numbers(stocked_shop: Any) -> None:
    how, model = crowned(stocked_shop)
    for number in range(29, 22, -1):
        score(model, interval(number), **how)
    with pytest.raises(IncompleteError, match=r"1 interval\(s\) from 2013-01-23T00:00:00Z"):
        monitor(model, interval(28), **how)
    needed = monitoring_inputs(model, interval(28), definitions=how["definitions"], lake=stocked_shop.lake)
    scored = next(each.intervals for each in needed if each.table == model.table)
    assert (scored[0], scored[-1]) == (interval(21), interval(28))
    for number in (21, 20, 22):
        score(model, interval(number), **how)
    backwards = [monitor(model, interval(number), **how).digest for number in (28, 27)]
    again = [monitor(model, interval(number), **how) for number in (27, 28)]
    assert [each.digest for each in again] == backwards[::-1]
    assert not any(each.changed for each in again)


def test_a_window_that_comes_out_the_same_from_corrected_inputs_says_that_it_read_them(
    shop: Any, stocked: Path
) -> None:
    shutil.copytree(stocked / "home", shop.settings.home, dirs_exist_ok=True)
    how, model = crowned(shop)
    for number in range(20, 29):
        score(model, interval(number), **how)
    made = monitor(model, interval(28), **how)
    orders = shop.lake.table("raw/orders")
    late = orders.read(interval(24).start, interval(24).end)
    # An order that nobody scored is a change of what was read, and none of what is found.
    another = late.slice(0, 1).set_column(late.schema.get_field_index("order_id"), "order_id", [pa.array([-1])])
    orders.write(interval(24), pa.concat_tables([late, another]), provenance=Provenance(shop.run))

    again = monitor(model, interval(28), **how)

    assert again.digest == made.digest
    read = shop.lake.table(model.monitoring_table).commit_of(interval(28)).provenance["inputs"]
    assert read["raw/orders"] == orders.version()


def test_what_a_version_says_of_the_time_that_it_was_trained_on_does_not_count(stocked_shop: Any) -> None:
    how, model = crowned(stocked_shop, task="regression")
    for number in range(20, 32):
        score(model, interval(number), **how)
    _, rows = watch(stocked_shop, model, 29)
    judged = [row["metric"] for row in rows if row["kind"] == "performance" and row["threshold"] is not None]
    assert judged == ["labels", "mae"]
    newer = stocked_shop.train(model, FIRST + 38 * DAY).version
    rival = Verdict.from_dict({**stocked_shop.judge(model).as_dict(), "outcome": "accepted", "challenger": newer})
    stocked_shop.settle(model, rival)
    for number in (*range(20, 28), 31):
        score(model, interval(number), **how)
    _, rows = watch(stocked_shop, model, 27)
    (row,) = [row for row in rows if row["metric"] == "window" and row["kind"] == "drift"]
    assert (row["value"], row["model_version"]) == (0, newer)
    assert "420 more are of times that their version was trained on" in row["note"]
    _, rows = watch(stocked_shop, model, 31)
    (row,) = [row for row in rows if row["kind"] == "prediction_drift"]
    assert row["value"] is None
    assert "are of version 1 and 2, the newest one is of version 2" in row["note"]
    assert any(row["kind"] == "drift" and row["value"] for row in rows)


def test_a_version_registered_by_hand_does_not_stop_the_decision(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    Registry.from_settings(shop.settings).client.create_model_version(
        model.name, "file:///nowhere", await_creation_for=0
    )
    assert watch(shop, model, 26)[0].model_version == "1"


def test_reports_survive_json(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    drift = report_drift(model, interval(29), run=shop.run, **shop.source)
    performance = report_performance(model, interval(29), run=shop.run, **shop.source)
    assert DriftReport.from_dict(json.loads(json.dumps(drift.as_dict(), allow_nan=False))) == drift
    plain = json.loads(json.dumps(performance.as_dict(), allow_nan=False))
    assert PerformanceReport.from_dict(plain) == performance


def test_nothing_is_watched_before_it_was_scored_or_promoted(watched: tuple[Any, Model]) -> None:
    shop, model = watched
    with pytest.raises(IncompleteError, match=rf"--dag-id {model.name}.scoring"):
        monitor(model, interval(10), run=shop.run, **shop.source)
    with pytest.raises(NoChampionError):
        monitor(shop.model(), interval(10), run=shop.run, **shop.source)


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
    model = bounded(stocked_shop.definitions.model("churn"), drift_share=0.3)
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
    assert (retrain, "the next may start at" in reason) == (False, True)


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
