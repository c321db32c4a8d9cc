from __future__ import annotations

import json

import numpy as np
import pytest

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
