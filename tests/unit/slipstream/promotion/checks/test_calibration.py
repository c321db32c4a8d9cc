from __future__ import annotations

import json

import numpy as np
import pytest

from slipstream.definitions import CalibrationCheck
from slipstream.metrics import calibration_error
from slipstream.promotion.gate import run_check

CHECK = CalibrationCheck(check="calibration")


def test_scores_that_are_the_true_chances_pass_and_stretched_ones_fail(shop, compared, fair_coin):
    score, label = fair_coin
    sound = run_check(CHECK, compared(shop.model(), score, None, label))
    stretched = run_check(CHECK, compared(shop.model(), np.where(score > 0.5, 0.99, 0.01), None, label))
    assert (sound.outcome, stretched.outcome) == ("passed", "failed")
    assert "beyond the limit 0.05" in stretched.sentence
    assert sound.numbers["champion_error"] is None
    json.dumps(sound.as_dict(), allow_nan=False)


def test_the_error_is_that_of_the_metrics_in_equally_filled_bins(shop, compared, fair_coin):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score**2, score, label))
    assert found.numbers["error"] == pytest.approx(calibration_error(label, score**2))
    assert found.numbers["champion_error"] == pytest.approx(calibration_error(label, score))
    assert sum(part["rows"] for part in found.numbers["curve"]) == len(label)


def test_a_challenger_within_the_limit_fails_if_the_champion_is_much_better_calibrated(shop, compared, fair_coin):
    score, label = fair_coin
    check = CalibrationCheck(check="calibration", limit=0.5, margin=0.02)
    assert run_check(check, compared(shop.model(), score**2, None, label)).outcome == "passed"
    found = run_check(check, compared(shop.model(), score**2, score, label))
    assert found.outcome == "failed"
    assert "more than 0.02 worse" in found.sentence
    assert run_check(check, compared(shop.model(), score, score, label)).outcome == "passed"


def test_few_rows_are_allowed_what_chance_alone_gives(shop, compared):
    chance = np.random.default_rng(8)
    check = CalibrationCheck(check="calibration", limit=0.01)
    outcomes = []
    for _ in range(40):
        score = chance.uniform(0.1, 0.9, 300)
        label = (chance.random(300) < score).astype(float)
        outcomes.append(run_check(check, compared(shop.model(), score, None, label)).outcome)
    assert outcomes.count("passed") >= 20
    assert run_check(check, compared(shop.model(), score, None, label)).numbers["noise"] > 0.03


def test_a_regression_is_judged_by_its_bias_in_standard_deviations(shop, compared):
    label = np.random.default_rng(5).normal(100, 10, 3000)
    model = shop.model("regression")
    close = run_check(CHECK, compared(model, label, None, label))
    high = run_check(CHECK, compared(model, label + 5, None, label))
    assert (close.outcome, close.numbers["error"]) == ("passed", 0.0)
    assert high.outcome == "failed"
    assert high.numbers["error"] == pytest.approx(0.5, abs=0.02)


def test_a_single_row_and_a_single_day_are_judged_too(shop, compared):
    one = run_check(CHECK, compared(shop.model(), np.array([0.5]), None, np.array([1.0])))
    assert (one.outcome, one.numbers["error"]) == ("failed", 0.5)
    day = np.array([0.25, 0.25, 0.25, 0.25])
    assert run_check(CHECK, compared(shop.model(), day, day, np.array([1.0, 0, 0, 0]), days=1)).outcome == "passed"
