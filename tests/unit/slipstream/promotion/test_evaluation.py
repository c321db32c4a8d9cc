from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.compute as pc
import pytest

from slipstream.errors import NotFoundError
from slipstream.intervals import utc
from slipstream.promotion import Comparison, Registry, Verdict, compare, decide, evaluate_gate, evaluation
from slipstream.training import train

NOW = utc("2013-02-10")


def with_evaluation(model, **changes):
    return model.model_copy(update={"evaluation": model.evaluation.model_copy(update=changes)})


def test_both_are_scored_on_the_same_rows_that_neither_was_trained_on(stocked_shop):
    shop, model = stocked_shop, stocked_shop.model()
    old = train(model, NOW - timedelta(days=5), **shop.source, run=shop.run)
    shop.settle(model, decide(model, **shop.source))
    new = train(model, NOW, **shop.source, run=shop.run)
    found = compare(model, **shop.source)
    rows = found.evidence(model, settings=shop.settings).rows
    assert (found.champion, found.challenger, found.problem) == (old.version, new.version, None)
    assert pc.min(rows["prediction_time"]).as_py() == found.start == NOW - timedelta(days=10)
    assert pc.max(rows["label_known_at"]).as_py() <= NOW
    assert found.rows == rows.num_rows > 500
    registry = Registry.from_settings(shop.settings)
    for role, version in (("champion", old.version), ("challenger", new.version)):
        assert rows[role].to_numpy().tobytes() == registry.load(model.name, version).score(rows).tobytes()
    assert compare(model, **shop.source) == found
    assert compare(model, **shop.source, versions=found.versions).digest == found.digest
    assert Comparison.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_a_version_compared_with_itself_gives_exactly_zero_and_is_not_accepted(shop):
    model = shop.model()
    version = shop.train(model).version
    verdict = shop.judge(model, challenger=version, champion=version)
    gain = next(check for check in verdict.checks if check.name == "metric_gain")
    assert gain.numbers["gain"] == 0.0
    assert verdict.outcome == "rejected"


def test_rows_of_either_training_are_left_out(shop):
    model = shop.model()
    old = shop.train(model, NOW)
    shop.settle(model, shop.judge(model))
    shorter = with_evaluation(model, window=timedelta(days=4))
    late = shop.train(shorter, NOW + timedelta(days=1))
    found = shop.compare(model, challenger=late.version)
    ends = [Registry.from_settings(shop.settings).details(model.name, each.version).train_end for each in (old, late)]
    assert found.start == max(ends) == NOW - timedelta(days=3)


def test_what_cannot_be_decided_is_undecided_with_its_reason(shop):
    model = shop.model()
    version = shop.train(model).version
    few = with_evaluation(model, min_rows=10_000)
    early = shop.judge(model, as_of=NOW - timedelta(days=9, hours=12))
    poor = shop.judge(few)
    assert (early.outcome, poor.outcome) == ("undecided", "undecided")
    assert "No rows are left that neither was trained on" in early.reason
    assert "at least 10000 evaluation rows" in poor.reason
    shop.settle(model, shop.judge(model))
    same = shop.judge(model, challenger=version)
    assert (same.outcome, same.reason) == (
        "undecided",
        f"Version {version} is the champion already: there is nothing to decide.",
    )
    assert Registry.from_settings(shop.settings).details(model.name, version).verdict == "accepted"


def test_one_class_only_is_undecided(shop):
    model = shop.model()
    shop.train(model)
    found = shop.rows(NOW - timedelta(days=10), NOW)
    rows = replace(found, rows=found.rows.filter(pc.equal(found.rows["label"], 1.0)))
    verdict = evaluate_gate(model, shop.compare(model, rows), settings=shop.settings)
    assert verdict.outcome == "undecided"
    assert "have the label 1" in verdict.reason


def test_a_champion_whose_features_are_gone_is_undecided(shop):
    model = shop.model()
    shop.train(model, NOW - timedelta(days=1))
    shop.settle(model, shop.judge(model))
    other = shop.train(model)
    fewer = model.model_copy(update={"features": model.features[:2]})
    verdict = shop.judge(fewer, challenger=other.version)
    assert verdict.outcome == "undecided"
    assert "trained on ['order_facts__rush'], which the definition no longer has" in verdict.reason


def test_without_a_challenger_it_says_how_to_make_one(shop):
    model = shop.model()
    with pytest.raises(NotFoundError, match=f"Train one: `slipstream run training {model.name}`"):
        shop.compare(model)


def test_the_verdict_is_one_document_kept_with_the_run_and_the_version(shop):
    model = shop.model()
    found = shop.train(model)
    verdict = shop.judge(model)
    client = Registry.from_settings(shop.settings).client
    kept = Verdict.from_dict(json.loads(Path(client.download_artifacts(found.run_id, "verdict.json")).read_text()))
    assert kept == verdict
    assert client.get_model_version(model.name, "1").tags["slipstream.verdict_digest"] == verdict.digest
    assert verdict.as_dict()["sentences"][0].startswith("baseline: log_loss")
    assert np.isfinite(verdict.checks[0].numbers["gain"])


def test_the_digest_is_of_what_was_decided_and_not_of_when(shop):
    model = shop.model()
    shop.train(model)
    verdict = shop.judge(model)
    later = replace(verdict, decided_at=NOW, code_version="other")
    assert later.digest == verdict.digest
    assert replace(verdict, outcome="rejected").digest != verdict.digest
    assert replace(verdict, comparison=replace(verdict.comparison, digest="x")).digest != verdict.digest


def test_what_is_compared_wants_the_labels_up_to_its_time(shop, monkeypatch):
    model, start = shop.definitions.model("churn"), NOW - timedelta(days=10)
    planned = SimpleNamespace(problem=None, start=start, end=NOW, as_of=NOW)
    monkeypatch.setattr(evaluation, "plan", lambda *_, **__: planned)
    needed = {each.table: each.intervals for each in evaluation.comparison_inputs(model, **shop.source)}
    assert needed["raw/outcomes"][-1].end == NOW
    assert needed["raw/orders"][-1].end <= NOW
    planned.problem = "There is nothing to decide."
    assert evaluation.comparison_inputs(model, **shop.source) == []
