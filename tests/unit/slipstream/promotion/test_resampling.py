from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream.promotion.resampling import block_sums, mean_difference, seed_of


def rejections(blocks: int, *, shift: float, trials: int, heavy: bool = False) -> float:
    """Return how often a gain is found, where rows of a block share a shock."""
    chance = np.random.default_rng(blocks)
    found = 0
    for trial in range(trials):
        sizes = chance.integers(20, 80, blocks)
        index = np.repeat(np.arange(blocks), sizes)
        shocks = chance.standard_t(3, blocks) if heavy else chance.normal(size=blocks)
        values = shocks[index] + chance.normal(size=len(index)) + shift
        found += mean_difference(values, index, alpha=0.05, resamples=399, seed=trial).lower > 0
    return found / trials


@pytest.mark.parametrize(("blocks", "heavy"), [(6, False), (7, True), (14, False)])
def test_of_two_equals_one_is_promoted_at_most_as_often_as_alpha(blocks, heavy):
    # 0.05 and three standard errors of 600 trials
    assert rejections(blocks, shift=0.0, trials=600, heavy=heavy) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def test_a_gain_beyond_the_noise_is_found():
    assert rejections(14, shift=1.5, trials=100) > 0.95


def test_no_difference_at_all_is_exactly_zero():
    found = mean_difference(np.zeros(50), np.repeat(np.arange(10), 5), alpha=0.05)
    assert (found.mean, found.error, found.lower, found.upper, found.p_value) == (0.0, 0.0, 0.0, 0.0, 1.0)


def test_the_same_seed_gives_the_same_bounds_and_another_seed_others():
    values, blocks = np.random.default_rng(1).normal(size=200), np.repeat(np.arange(40), 5)
    first, again, other = (mean_difference(values, blocks, alpha=0.05, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert seed_of("a", 1) != seed_of("a1")


def test_one_block_is_refused():
    with pytest.raises(ValueError, match="at least two blocks"):
        mean_difference(np.ones(5), np.zeros(5, dtype=int), alpha=0.05)


@settings(max_examples=60)
@given(
    data=st.lists(st.tuples(st.integers(0, 9), st.floats(-5, 5)), min_size=10, max_size=80).filter(
        lambda rows: len({block for block, _ in rows}) > 2
    ),
    threshold=st.floats(-1, 1),
    alpha=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_bound_and_p_value_say_the_same(data, threshold, alpha):
    blocks, values = np.array([block for block, _ in data]), np.array([value for _, value in data])
    found = mean_difference(values, blocks, alpha=alpha, threshold=threshold, resamples=299)
    assert found.lower <= found.mean <= found.upper
    assert 0 <= found.p_value <= 1
    margin = abs(found.lower - threshold)
    if margin > 1e-9 and found.error > 1e-9:
        assert (found.lower > threshold) == (found.p_value <= alpha)


@given(data=st.lists(st.tuples(st.integers(-3, 3), st.floats(-5, 5)), min_size=1, max_size=50))
def test_sums_by_block_lose_no_row(data):
    sums, counts = block_sums(np.array([value for _, value in data]), np.array([block for block, _ in data]))
    assert counts.sum() == len(data)
    assert len(sums) == len({block for block, _ in data})
    assert sums.sum() == pytest.approx(sum(value for _, value in data))


def test_ten_thousand_resamples_of_a_hundred_thousand_rows_take_seconds():
    chance = np.random.default_rng(0)
    blocks = np.repeat(np.arange(365), 274)
    start = time.perf_counter()
    found = mean_difference(chance.normal(size=len(blocks)), blocks, alpha=0.05, resamples=10_000)
    assert found.rows > 100_000
    assert time.perf_counter() - start < 20
