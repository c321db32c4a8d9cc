from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from slipstream.definitions import Model
from slipstream.errors import FatalError, IncompleteError, NoChampionError, SchemaError
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Run
from slipstream.promotion import rollback
from slipstream.scoring import Scored, publish_predictions, score, score_population

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)
TODAY = Interval(FIRST + 5 * DAY, FIRST + 6 * DAY)


@pytest.fixture
def promoted(stocked_shop: Any) -> tuple[Any, Model]:
    """Give the shop, and a model of its own with a champion."""
    model = stocked_shop.model()
    stocked_shop.train(model)
    verdict = stocked_shop.judge(model)
    assert stocked_shop.settle(model, verdict).action == "promoted"
    return stocked_shop, model


def again(shop: Any, model: Model, **changes: Any) -> Any:
    return score(model, TODAY, **{**shop.source, "run": shop.run, **changes})


def test_an_interval_is_scored_and_scoring_it_again_changes_nothing(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    first = again(shop, model)
    second = again(shop, model, run=Run(dag_id="other", run_id="another", task_id="score", try_number=3))
    assert (first.rows, first.changed, second.changed) == (60, True, False)
    rows = shop.lake.table(model.table).read(TODAY.start, TODAY.end)
    names = ["interval_start", "order_id", "prediction_time", "score", "model_version", "model_run_id"]
    assert sorted(rows.column_names) == sorted(names)
    assert set(rows["model_version"].to_pylist()) == {first.model_version} == {"1"}
    assert all(0 < value < 1 for value in rows["score"].to_pylist())
    provenance = shop.lake.table(model.table).commit_of(TODAY).provenance
    assert provenance["inputs"].keys() == {"raw/orders", "features/order_facts"}
    assert provenance["extra"] == {"model_version": "1", "in_sample": True}  # trained on the first thirty days


def test_a_restored_version_scores_an_interval_as_it_did_before_byte_for_byte(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    yesterday = Interval(TODAY.start - DAY, TODAY.start)
    given = {**shop.source, "run": shop.run}
    untouched, first = score(model, yesterday, **given), again(shop, model)
    before = shop.lake.table(model.table).read(TODAY.start, TODAY.end).sort_by("order_id")
    shop.train(model, FIRST + 38 * DAY)
    shop.settle(model, replace(shop.judge(model), outcome="accepted"))
    other = again(shop, model)
    rollback(model, reason="it was wrong", lake=shop.lake, settings=shop.settings, run=shop.run)

    restored = again(shop, model)

    assert (first.model_version, other.model_version, restored.model_version) == ("1", "2", "1")
    assert other.digest != first.digest
    assert (restored.digest, restored.changed) == (first.digest, True)
    assert shop.lake.table(model.table).read(TODAY.start, TODAY.end).sort_by("order_id").equals(before)
    kept = score(model, yesterday, **given)  # holds that version's scores still
    assert (kept.digest, kept.changed) == (untouched.digest, False)


@pytest.mark.parametrize("rows", [1, 7, 59, 60])
def test_no_setting_changes_the_last_bits_of_a_score(promoted: tuple[Any, Model], rows: int) -> None:
    shop, model = promoted
    whole = again(shop, model)
    small = shop.settings.model_copy(update={"chunk_rows": rows})
    assert again(shop, model, settings=small).digest == whole.digest


def test_nothing_is_written_without_a_champion(stocked_shop: Any) -> None:
    model = stocked_shop.model()
    with pytest.raises(NoChampionError, match="no champion"):
        again(stocked_shop, model)
    assert not stocked_shop.lake.table(model.table).exists()


def test_nothing_is_written_while_features_are_missing(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    late = Interval(FIRST + 60 * DAY, FIRST + 61 * DAY)
    with pytest.raises(IncompleteError, match=r"backfill create --dag-id order_facts.features"):
        score(model, late, **shop.source, run=shop.run)
    assert not shop.lake.table(model.table).exists()


def test_the_champion_sees_the_features_that_it_was_trained_on(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    whole = again(shop, model)
    fewer = model.model_copy(update={"features": ("order_facts:kind",)})
    assert again(shop, fewer).digest == whole.digest


def test_a_feature_that_no_view_gives_any_more_stops_it(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    view = shop.definitions.view("order_facts")
    left = {name: feature for name, feature in view.features.items() if name != "kind"}
    views = {"order_facts": view.model_copy(update={"features": left})}
    with pytest.raises(SchemaError, match="order_facts__kind, which no view gives any more"):
        again(shop, model, definitions=replace(shop.definitions, views=views))
    assert not shop.lake.table(model.table).exists()


def test_what_was_scored_waits_for_publishing_however_often_that_is_tried(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    how = {**shop.source, "run": shop.run}
    score_population(model, TODAY, **how)  # killed before publishing, and tried again
    scored = Scored.from_dict(score_population(model, TODAY, **how).as_dict())
    assert not shop.lake.table(model.table).exists()
    first = publish_predictions(model, scored, **how)
    second = publish_predictions(model, scored, **how)  # killed before it could report, and tried again
    assert (first.rows, second.rows, second.changed) == (60, 60, False)
    assert second.digest == first.digest


def test_two_runs_of_one_interval_do_not_take_each_others_rows(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    runs = [{**shop.source, "run": Run(dag_id="d", run_id=f"run {n}", task_id="t")} for n in range(2)]
    scored = [score_population(model, TODAY, **how) for how in runs]
    digests = {publish_predictions(model, each, **how).digest for each, how in zip(scored, runs, strict=True)}
    assert len(digests) == 1


def test_rows_that_are_gone_are_asked_for_again(promoted: tuple[Any, Model]) -> None:
    shop, model = promoted
    how = {**shop.source, "run": shop.run}
    scored = replace(score_population(model, TODAY, **how), path="scoring/nowhere.parquet")
    with pytest.raises(FatalError, match="Clear that task as well"):
        publish_predictions(model, scored, **how)


def test_an_interval_without_anybody_is_complete(promoted: tuple[Any, Model], tmp_path: Path) -> None:
    shop, model = promoted
    nobody = model.model_copy()  # which shares its files' texts with every other copy
    nobody._files = {**model._files, "population.sql": model.text("population.sql") + " AND false"}
    published = again(shop, nobody)
    assert published.rows == 0
    assert Lake.from_settings(shop.settings).table(model.table).complete(TODAY)


def test_predictions_of_days_that_the_champion_was_trained_on_say_so(
    promoted: tuple[Any, Model], caplog: pytest.LogCaptureFixture
) -> None:
    shop, model = promoted
    assert again(shop, model).in_sample
    assert "trained on rows of 2013-01-06T00:00:00Z/2013-01-07T00:00:00Z" in caplog.text
    caplog.clear()
    first_new = Interval(FIRST + 30 * DAY, FIRST + 31 * DAY)
    assert not score(model, first_new, **shop.source, run=shop.run).in_sample
    assert caplog.text == ""
    extra = shop.lake.table(model.table).commit_of(first_new).provenance["extra"]
    assert extra == {"model_version": "1", "in_sample": False}
