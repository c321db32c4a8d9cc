from __future__ import annotations

import json

import numpy as np
import pytest

from slipstream.attribution import Attributions
from slipstream.definitions import StabilityCheck
from slipstream.promotion.gate import run_check

CHECK = StabilityCheck(check="stability")


def test_a_version_against_itself_moves_nothing(shop, compared, fair_coin):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score, score, label))
    assert (found.outcome, found.numbers["shift"], found.numbers["flips"]) == ("passed", 0.0, 0.0)


def test_flips_are_counted_either_way_and_too_many_fail(shop, compared):
    champion = np.array([0.4, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6])
    challenger = np.array([0.5, 0.5, 0.4, 0.49, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6])
    rows = compared(shop.model(), challenger, champion, np.zeros(10))
    found = run_check(CHECK, rows)
    assert found.outcome == "failed"
    assert (found.numbers["to_yes"], found.numbers["to_no"]) == (2, 1)
    assert "30.00% of decisions at 0.5 flip (2 to yes, 1 to no), beyond 10.00%" in found.sentence
    assert run_check(CHECK.model_copy(update={"max_flips": 0.3}), rows).outcome == "passed"
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_shift_without_a_flip_fails_too(shop, compared):
    rows = compared(shop.model(), np.full(10, 0.9), np.full(10, 0.6), np.zeros(10))
    found = run_check(CHECK, rows)
    assert (found.outcome, found.numbers["flips"]) == ("failed", 0.0)
    assert found.numbers["shift"] == pytest.approx(0.3)


def test_a_regression_moves_in_standard_deviations_and_has_no_flips(shop, compared):
    label = np.random.default_rng(5).normal(100, 10, 3000)
    found = run_check(CHECK, compared(shop.model("regression"), label + 8, label, label))
    assert (found.outcome, "flips" in found.numbers) == ("failed", False)
    assert found.numbers["shift"] == pytest.approx(0.8, abs=0.03)


def test_without_a_champion_it_does_not_apply(shop, compared, fair_coin):
    score, label = fair_coin
    assert run_check(CHECK, compared(shop.model(), score, None, label)).outcome == "not_applicable"


class Version:
    """A version whose contributions are made by hand: a weight for each feature."""

    def __init__(self, **weights: float) -> None:
        from sklearn.tree import DecisionTreeRegressor

        self.weights = weights
        self.estimator = DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0])

    def frame(self, rows):
        return rows.select(list(self.weights)).to_pandas()

    def attribute(self, rows):
        frame = self.frame(rows)
        made = [
            frame[name].map({"a": 1.0, "b": -1.0}) if frame[name].dtype == object else frame[name] for name in frame
        ]
        parts = np.column_stack([weight * part for weight, part in zip(self.weights.values(), made, strict=True)])
        return Attributions(tuple(self.weights), 0.0, parts, "prediction")


@pytest.fixture
def reasoned(shop, compared, fair_coin):
    """Give a function of the champion and the challenger that makes evidence of equal scores."""
    chance, (score, label) = np.random.default_rng(8), fair_coin
    columns = {"v__x": chance.normal(size=4000), "v__y": chance.normal(size=4000), "v__k": ["a", "b"] * 2000}
    model = shop.model()

    def make(champion, challenger):
        versions = {"1": champion, "2": challenger}
        return compared(model, score, score, label, load=versions.__getitem__, **columns)

    return make


def test_reasons_that_stay_pass_and_are_the_same_each_time(reasoned):
    evidence = reasoned(Version(v__x=1.0, v__y=0.5, v__k=0.2), Version(v__x=1.1, v__y=0.4, v__k=0.2))
    found = run_check(CHECK, evidence)
    assert (found.outcome, len(found.numbers["reasons"])) == ("passed", 3)
    assert found.numbers["reasons"][0]["feature"] == "v:x"
    assert "each keeps its weight and its direction" in found.sentence
    assert run_check(CHECK, evidence) == found
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("challenger", [{"v__x": 1.0, "v__y": 0.001}, {"v__x": 1.0}])
def test_a_top_feature_that_vanishes_fails(reasoned, challenger):
    evidence = reasoned(Version(v__x=1.0, v__y=0.5), Version(**challenger))
    found = run_check(CHECK, evidence)
    assert found.outcome == "failed"
    assert "v:y vanishes (its share of the importance falls from 31" in found.sentence
    for off in ({"top": 1}, {"top": 0}, {"min_share": 0.0}):
        assert run_check(CHECK.model_copy(update=off), evidence).outcome == "passed"


def test_a_number_that_turns_round_fails_and_a_word_has_no_direction(reasoned):
    before = Version(v__x=1.0, v__y=0.5, v__k=0.5)
    assert run_check(CHECK, reasoned(before, Version(v__x=1.0, v__y=0.5, v__k=-0.5))).outcome == "passed"
    found = run_check(CHECK, reasoned(before, Version(v__x=1.0, v__y=-0.5, v__k=0.5)))
    assert found.outcome == "failed"
    assert "v:y turns round (the rank correlation of value and contribution goes from +1.00 to -1.00)" in found.sentence


def test_versions_that_cannot_be_explained_are_judged_by_their_scores_alone(reasoned):
    from sklearn.linear_model import Ridge

    champion = Version(v__x=1.0)
    champion.estimator = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    found = run_check(CHECK, reasoned(champion, Version(v__x=-1.0)))
    assert found.outcome == "passed"
    assert "reasons are not compared: the champion, version 1: a Ridge is not trees" in found.sentence


def test_without_a_registry_scores_are_judged_alone(shop, compared, fair_coin):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score, score, label))
    assert found.outcome == "passed"
    assert "there is no registry" in found.sentence


def test_a_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    from slipstream.promotion.importance import rank_correlation

    chance = np.random.default_rng(2)
    first, second = chance.integers(0, 9, 200).astype(float), chance.normal(size=200)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(first, np.ones(200)) is None
