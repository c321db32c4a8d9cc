from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from slipstream.definitions import ValueCheck
from slipstream.promotion.gate import run_check

CHECK = ValueCheck(check="value", true_positive=5, false_positive=-2, false_negative=-3, unit="EUR", resamples=1000)


def test_decisions_that_hit_more_often_are_worth_more_a_day(shop, compared, fair_coin):
    score, label = fair_coin
    noise = np.random.default_rng(4).uniform(0.05, 0.95, len(score))
    better = run_check(CHECK, compared(shop.model(), score, noise, label))
    worse = run_check(CHECK, compared(shop.model(), noise, score, label))
    assert (better.outcome, worse.outcome) == ("passed", "failed")
    assert better.numbers["gain_a_day"] == pytest.approx(-worse.numbers["gain_a_day"])
    assert better.numbers["lower"] > 0
    assert "EUR a day against the champion's" in better.sentence
    assert better == run_check(CHECK, compared(shop.model(), score, noise, label))
    json.dumps(better.as_dict(), allow_nan=False)


def test_money_is_counted_by_the_matrix(shop, compared):
    label = np.tile([1.0, 1.0, 0.0, 0.0], 5)
    ours, theirs = np.tile([0.9, 0.1, 0.9, 0.1], 5), np.tile([0.1, 0.1, 0.1, 0.1], 5)
    found = run_check(CHECK, compared(shop.model(), ours, theirs, label, days=5))
    assert found.numbers["challenger_a_day"] == 5 - 3 - 2 + 0
    assert found.numbers["champion_a_day"] == -3 - 3
    assert (found.outcome, found.numbers["gain_a_day"], found.numbers["lower"]) == ("passed", 6.0, 6.0)


def test_a_version_against_itself_gains_exactly_nothing(shop, compared, fair_coin):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score, score, label))
    assert (found.outcome, found.numbers["gain_a_day"]) == ("failed", 0.0)
    tolerant = CHECK.model_copy(update={"min_gain": -1.0})
    assert run_check(tolerant, compared(shop.model(), score, score, label)).outcome == "passed"


def test_half_days_as_blocks_are_worth_half_a_days_money(shop, compared, fair_coin):
    score, label = fair_coin
    rows = compared(shop.model(), score, 1 - score, label, days=10)
    day = run_check(CHECK, rows).numbers["gain_a_day"]
    two = CHECK.model_copy(update={"block": 2 * CHECK.block})
    assert run_check(two, rows).numbers["gain_a_day"] == pytest.approx(day, rel=0.1)


def test_too_few_days_are_undecided_and_without_a_champion_it_does_not_apply(shop, compared, fair_coin):
    score, label = fair_coin
    assert run_check(CHECK, compared(shop.model(), score, 1 - score, label, days=4)).outcome == "undecided"
    alone = run_check(CHECK, compared(shop.model(), score, None, label))
    assert (alone.outcome, alone.numbers["challenger_a_day"] > 0) == ("not_applicable", True)


WORTH = ValueCheck(check="value", function="estimator:worth", unit="EUR", resamples=500)


def worth_model(shop, body):
    model = shop.model("regression")
    model._files = {"estimator.py": f"import numpy as np\n\n\ndef worth(label, prediction):\n    {body}\n"}
    return model


def test_a_function_says_what_a_prediction_is_worth(shop, compared):
    label = np.tile([10.0, 20.0], 20)
    ours, theirs = label + 1, label - 2
    model = worth_model(shop, "return -3 * np.abs(label - prediction)")
    found = run_check(WORTH, compared(model, ours, theirs, label, days=10))
    assert (found.outcome, found.numbers["challenger_a_day"], found.numbers["champion_a_day"]) == ("passed", -12, -24)
    assert (found.numbers["gain_a_day"], found.numbers["worth"]) == (12, "estimator:worth")
    itself = run_check(WORTH, compared(model, ours, ours, label, days=10))
    assert (itself.outcome, itself.numbers["gain_a_day"]) == ("failed", 0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 1.0", "returned the shape (); wanted (40,)"),
        ("return label[:5]", "returned the shape (5,); wanted (40,)"),
        ("return np.where(label > 15, np.nan, label)", "20 numbers that are not finite, the first for the label 20"),
        ("return ['a'] * len(label)", "returned list; wanted an array"),
        ("return 1 / 0", "ZeroDivisionError"),
        ("return nothing", "NameError"),
    ],
)
def test_a_function_that_gives_no_worth_leaves_it_undecided(shop, compared, body, words):
    label = np.tile([10.0, 20.0], 20)
    found = run_check(WORTH, compared(worth_model(shop, body), label, label, label, days=10))
    assert found.outcome == "undecided"
    assert words in found.sentence


def test_a_function_and_the_outcomes_cannot_both_say_it():
    with pytest.raises(ValidationError, match="remove true_positive"):
        ValueCheck(check="value", function="estimator:worth", true_positive=1)
