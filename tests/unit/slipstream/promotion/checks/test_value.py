from __future__ import annotations

import json

import numpy as np
import pytest

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


def test_too_few_days_are_undecided_and_no_champion_or_no_decision_does_not_apply(shop, compared, fair_coin):
    score, label = fair_coin
    assert run_check(CHECK, compared(shop.model(), score, 1 - score, label, days=4)).outcome == "undecided"
    alone = run_check(CHECK, compared(shop.model(), score, None, label))
    assert (alone.outcome, alone.numbers["challenger_a_day"] > 0) == ("not_applicable", True)
    assert run_check(CHECK, compared(shop.model("regression"), score, score, label)).outcome == "not_applicable"
