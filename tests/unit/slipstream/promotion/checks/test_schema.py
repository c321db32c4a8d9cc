from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import SchemaCheck
from slipstream.promotion.gate import run_check

CHECK = SchemaCheck(check="schema")


@pytest.fixture
def features(shop):
    """Give a function that makes columns for all features of the shop's model, with some of them replaced."""

    def make(rows=4000, **given):
        chance = np.random.default_rng(6)
        plain = {name: pa.array(chance.normal(size=rows)) for name in shop.model().feature_columns}
        return plain | given

    return make


def name_of(shop):
    return shop.model().feature_columns[0]


def test_features_that_help_and_do_not_tell_pass(shop, compared, fair_coin, features):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score, None, label, **features(**{name_of(shop): pa.array(score)})))
    assert found.outcome == "passed"
    assert 0.75 < found.numbers["strength"][name_of(shop)] < 0.9
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "told",
    [
        lambda label: pa.array(1 - label),
        lambda label: pa.array(np.where(label > 0.5, "late", "early")),
        lambda label: pa.array([1.5 if each else None for each in label], pa.float64()),
        lambda label: pa.array([None if each else "word" for each in label], pa.string()),
        lambda label: pa.array(label > 0.5),
    ],
    ids=["number", "word", "missing number", "missing word", "flag"],
)
def test_a_feature_that_is_the_label_in_disguise_fails(shop, compared, fair_coin, features, told):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score, None, label, **features(**{name_of(shop): told(label)})))
    assert (found.outcome, found.numbers["leaks"]) == ("failed", [name_of(shop)])
    assert "alone predicts the label with AUC 1.0000" in found.sentence


def test_words_that_are_all_different_tell_nothing(shop, compared, fair_coin, features):
    score, label = fair_coin
    unique = pa.array([f"order {row}" for row in range(4000)])
    found = run_check(CHECK, compared(shop.model(), score, None, label, **features(**{name_of(shop): unique})))
    assert found.outcome == "passed"
    assert found.numbers["strength"][name_of(shop)] < 0.6


def test_a_regression_is_told_by_a_curve_as_by_a_line(shop, compared, features):
    model, label = shop.model("regression"), np.random.default_rng(5).normal(size=4000)
    for told in (3 - 2 * label, np.exp(3 * label)):
        found = run_check(CHECK, compared(model, label, None, label, **features(**{name_of(shop): pa.array(told)})))
        assert (found.outcome, found.numbers["leaks"]) == ("failed", [name_of(shop)])
    assert run_check(CHECK, compared(model, label, None, label, **features())).outcome == "passed"
    empty = {name_of(shop): pa.nulls(4000, pa.float64())}
    assert run_check(CHECK, compared(model, label, None, label, **features(**empty))).outcome == "passed"


def test_a_type_that_changed_since_the_champion_was_trained_fails_and_is_named(shop, compared, fair_coin, features):
    score, label = fair_coin
    kinds = dict.fromkeys(shop.model().feature_columns, "double")
    trained = {"2": kinds, "1": {**kinds, name_of(shop): "string"}}
    rows = compared(
        shop.model(), score, score, label, load=lambda version: SimpleNamespace(kinds=trained[version]), **features()
    )
    found = run_check(CHECK, rows)
    assert found.outcome == "failed"
    assert f"the champion, version 1, was trained on {name_of(shop)} as string; the views give double" in found.sentence


def test_a_feature_that_the_rows_have_not_fails(shop, compared, fair_coin):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score, None, label))
    assert found.outcome == "failed"
    assert name_of(shop) in found.sentence
