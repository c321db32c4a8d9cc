from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import BaselineCheck, MetricGainCheck
from slipstream.errors import DefinitionError
from slipstream.intervals import utc
from slipstream.promotion.evaluation import Comparison
from slipstream.promotion.gate import CheckResult, Evidence, overall, register_check, run_check

DAY = 86_400_000_000
GAIN = MetricGainCheck(check="metric_gain", resamples=500)


def evidence(model, challenger, champion, label, *, days: int = 10, baseline: float = 0.3) -> Evidence:
    moment = utc("2013-02-01")
    times = utc("2013-01-01").timestamp() * 1e6 + np.arange(len(label)) * days // len(label) * DAY
    rows = {"prediction_time": pa.array(times.astype("int64"), pa.timestamp("us", tz="UTC")), "label": label}
    rows["challenger"] = challenger
    if champion is not None:
        rows["champion"] = champion
    comparison = Comparison(
        model=model.name,
        challenger="2",
        champion=None if champion is None else "1",
        as_of=moment,
        start=moment,
        end=moment,
        rows=len(label),
        versions={},
        digest="d",
        baseline=baseline,
        run_id="r",
        path="p",
        problem=None,
    )
    return Evidence(model, comparison, pa.table(rows))


@pytest.fixture
def truth():
    chance = np.random.default_rng(3)
    score = chance.uniform(0.05, 0.95, 2000)
    return score, (chance.random(2000) < score).astype(float)


def test_a_version_compared_with_itself_gains_exactly_nothing_and_is_not_promoted(shop, truth):
    score, label = truth
    found = run_check(GAIN, evidence(shop.model(), score, score, label))
    assert found.numbers["gain"] == found.numbers["lower"] == found.numbers["upper"] == 0.0
    assert (found.outcome, found.numbers["p_value"]) == ("failed", 1.0)


def test_a_better_challenger_passes_and_a_worse_one_fails(shop, truth):
    score, label = truth
    noise = np.random.default_rng(4).uniform(0.05, 0.95, len(score))
    better = run_check(GAIN, evidence(shop.model(), score, noise, label))
    worse = run_check(GAIN, evidence(shop.model(), noise, score, label))
    assert (better.outcome, worse.outcome) == ("passed", "failed")
    assert better.numbers["lower"] > 0
    assert better.numbers["gain"] == pytest.approx(-worse.numbers["gain"])
    assert better == run_check(GAIN, evidence(shop.model(), score, noise, label))


def test_non_inferiority_lets_an_equal_pass(shop, truth):
    score, label = truth
    check = MetricGainCheck(check="metric_gain", mode="non_inferiority", margin=0.01, resamples=500)
    assert run_check(check, evidence(shop.model(), score, score, label)).outcome == "passed"


def test_without_a_champion_a_gain_is_not_applicable(shop, truth):
    score, label = truth
    assert run_check(GAIN, evidence(shop.model(), score, None, label)).outcome == "not_applicable"


def test_too_few_blocks_of_time_leave_it_undecided(shop, truth):
    score, label = truth
    found = run_check(GAIN, evidence(shop.model(), score, 1 - score, label, days=4))
    assert found.outcome == "undecided"
    assert "4 block(s)" in found.sentence


def test_the_baseline_is_the_constant_of_the_training_labels(shop, truth):
    score, label = truth
    check = BaselineCheck(check="baseline")
    constant = np.full_like(score, 0.3)
    assert run_check(check, evidence(shop.model(), score, None, label)).outcome == "passed"
    same = run_check(check, evidence(shop.model(), constant, None, label))
    assert (same.outcome, same.numbers["gain"]) == ("failed", 0.0)


def test_regression_is_compared_by_absolute_error(shop):
    chance = np.random.default_rng(5)
    label = chance.normal(size=2000)
    close, far = label + chance.normal(scale=0.1, size=2000), label + chance.normal(size=2000)
    found = run_check(GAIN, evidence(shop.model("regression"), close, far, label))
    assert (found.outcome, found.numbers["metric"]) == ("passed", "absolute_error")
    assert found.numbers["challenger_loss"] == pytest.approx(np.abs(label - close).mean())


def test_blocks_are_cut_in_utc_days(shop):
    found = evidence(shop.model(), np.zeros(20), None, np.zeros(20), days=10).blocks(GAIN.block)
    assert np.unique(found).tolist() == list(range(15706, 15716))
    assert (np.bincount(found - found.min()) == 2).all()


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["passed", "passed"], "accepted"),
        (["passed", "not_applicable"], "accepted"),
        (["passed", "failed"], "rejected"),
        (["undecided", "failed"], "rejected"),
        (["passed", "undecided"], "undecided"),
        (["not_applicable"], "undecided"),
        ([], "undecided"),
    ],
)
def test_every_check_must_pass(outcomes, verdict):
    assert overall([CheckResult("check", outcome, "") for outcome in outcomes]) == verdict


def test_a_check_of_ones_own_is_found_by_its_name(shop, truth):
    @register_check("always")
    def always(given, settings):
        return CheckResult("always", "passed", f"{len(given.label)} rows")

    @dataclasses.dataclass
    class Named:
        check: str

    score, label = truth
    given = evidence(shop.model(), score, None, label)
    assert run_check(Named("always"), given).sentence == "2000 rows"
    with pytest.raises(DefinitionError, match="names the check 'never'; there are"):
        run_check(Named("never"), given)


def test_what_a_check_found_survives_json(shop, truth):
    score, label = truth
    found = run_check(GAIN, evidence(shop.model(), score, 1 - score, label))
    assert CheckResult.from_dict(json.loads(json.dumps(found.as_dict()))) == found
