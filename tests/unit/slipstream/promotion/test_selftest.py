from __future__ import annotations

import itertools

import numpy as np
import pytest

from slipstream.definitions import MetricGainCheck
from slipstream.promotion.selftest import Blocks, simulate, threshold, upper_bound

CHECK = MetricGainCheck(check="metric_gain", resamples=300)


def history(*, seed: int = 1, noise: float = 1.0, blocks: int = 60) -> list[Blocks]:
    """Three equals on days of 50 rows or so, each in either role."""
    chance = np.random.default_rng(seed)
    rows = chance.integers(30, 70, size=blocks).astype(float)
    losses = [rows * (10 + noise * chance.normal(size=blocks)) for _ in range(3)]
    return [Blocks(one - other, one, rows) for one, other in itertools.permutations(losses, 2)]


def test_equals_are_promoted_no_more_often_than_alpha_and_chance_allow() -> None:
    rate, _ = simulate(history(), CHECK, blocks=7, simulations=600, effects=(), seed=2)
    assert 0 < rate <= upper_bound(0.05, 600)


def test_the_larger_a_gain_the_more_often_it_is_seen() -> None:
    rate, power = simulate(history(), CHECK, blocks=7, simulations=200, effects=(0.05, 0.1, 0.5), seed=2)
    rates = [rate, *(each.rate for each in power)]
    assert rates == sorted(rates)
    assert rates[-1] > 0.95
    assert [each.effect for each in power] == [0.05, 0.1, 0.5]


def test_a_margin_moves_the_null_to_the_worst_challenger_that_must_not_pass() -> None:
    check = MetricGainCheck(check="metric_gain", mode="non_inferiority", margin=0.5, resamples=300)
    rate, (equal,) = simulate(history(), check, blocks=7, simulations=400, effects=(0.0,), seed=2)
    assert threshold(check) == -0.5
    assert rate <= upper_bound(0.05, 400)
    assert equal.rate > rate


def test_what_does_not_differ_is_never_promoted() -> None:
    rows = np.full(20, 50.0)
    same = Blocks(np.zeros(20), rows * 0.3, rows)
    assert simulate([same], CHECK, blocks=7, simulations=50, effects=(), seed=2) == (0.0, ())
    assert (same.gain, same.lag_one) == (0.0, 0.0)


def test_the_same_seed_gives_the_same_rates_and_progress_is_told() -> None:
    told: list[int] = []
    first = simulate(history(), CHECK, blocks=7, simulations=50, seed=5, advance=told.append)
    assert first == simulate(history(), CHECK, blocks=7, simulations=50, seed=5)
    assert first != simulate(history(), CHECK, blocks=7, simulations=50, seed=6)
    assert told == list(range(1, 51))


@pytest.mark.parametrize(("simulations", "bound"), [(100, 0.11), (1000, 0.067)])
def test_the_bound_is_alpha_and_its_monte_carlo_error(simulations: int, bound: float) -> None:
    assert upper_bound(0.05, simulations) == pytest.approx(bound)


def test_days_that_follow_each_other_are_told_by_their_correlation() -> None:
    rows = np.ones(40)
    assert Blocks(np.repeat([1.0, -1.0, 1.0, -1.0], 10), rows, rows).lag_one > 0.8
    assert Blocks(np.tile([1.0, -1.0], 20), rows, rows).lag_one == pytest.approx(-1)
