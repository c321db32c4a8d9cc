"""Does the gate promote equals no more often than it says, and how large a gain does it see? By simulated decisions.

A decision is simulated on whole blocks of time drawn with replacement from the model's own history, as many as an
evaluation has, and taken by ``metric_gain``'s own test. So whatever shape the differences of a day have, and however
its rows hang together, is in it; what hangs together from day to day is not, which is why ``lag_one`` is told.

The null is exact: the differences of two fits are moved by a constant a row until their mean over the whole history is
the gate's threshold, the worst case of a challenger that must not be promoted. Their shape, with its skew and its heavy
tails, stays as it is; to flip the signs of blocks at random instead would make them symmetric and flatter the test.
Each decision draws which two of several equals it compares, and which of them is called the challenger: that is what
equals are. Of one pair and one role the rate may be far from it either way, by the skew that these two happen to have.
A gain is injected in proportion to the loss of each row, as a better model gains most where there is most to gain.

Blocks: Künsch (1989); clusters, and the test: Cameron, Gelbach and Miller (2008); to impose the null on resampled data:
Hall and Wilson (1991); a size within its Monte Carlo error: Davidson and MacKinnon (1998).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipstream.promotion.resampling import difference_of_sums, draw_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import MetricGainCheck

    Floats = NDArray[np.float64]

EFFECTS = (0.005, 0.01, 0.02, 0.05, 0.1)
SURE = 0.99  # a gate whose rate is exactly alpha exceeds the bound once in a hundred self-tests


@dataclass(frozen=True)
class Blocks:
    """What decisions are drawn from: by block, shape ``(blocks,)``.

    Attributes:
        gains: Sum of the champion's loss minus the challenger's.
        losses: Sum of the champion's loss.
        rows: Number of rows.
    """

    gains: Floats
    losses: Floats
    rows: Floats

    @property
    def gain(self) -> float:
        """The mean gain of a row in the whole history."""
        return float(self.gains.sum() / self.rows.sum())

    @property
    def lag_one(self) -> float:
        """The correlation of a block's mean gain with that of the next one that has rows."""
        means = self.gains / self.rows
        if len(means) < 3 or means[:-1].std() == 0 or means[1:].std() == 0:
            return 0.0
        return float(np.corrcoef(means[:-1], means[1:])[0, 1])


@dataclass(frozen=True)
class Effect:
    """A relative improvement of the loss, and how often a challenger that has it is promoted."""

    effect: float
    rate: float


def simulate(
    pairs: Sequence[Blocks],
    check: MetricGainCheck,
    *,
    blocks: int,
    simulations: int,
    effects: Sequence[float] = EFFECTS,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[float, tuple[Effect, ...]]:
    """Return how often a challenger at the threshold is promoted, and how often one with each of ``effects``.

    Each decision is on one of ``pairs``, drawn at random; all effects are decided on the same blocks and resamples, so
    the curve is smooth in what it shares.

    Args:
        blocks: How many blocks of time a decision has.
        effects: Relative improvements of the loss; 0.01 is a loss that is 1 % lower.
        advance: Is told after each simulation how many are done.
    """
    level = threshold(check)
    variants = [_variants(history, level, effects) for history in pairs]
    generator, promoted = np.random.default_rng(seed), np.zeros(1 + len(effects))
    for done in range(1, simulations + 1):
        place = int(generator.integers(len(pairs)))
        rows = pairs[place].rows
        drawn = generator.integers(len(rows), size=blocks)
        weights = draw_weights(blocks, check.resamples, generator)
        for kind, sums in enumerate(variants[place][:, drawn]):
            found = difference_of_sums(sums, rows[drawn], alpha=check.alpha, threshold=level, weights=weights)
            promoted[kind] += found.lower > level
        advance(done)
    rates = [float(rate) for rate in promoted / simulations]
    return rates[0], tuple(Effect(each, rate) for each, rate in zip(effects, rates[1:], strict=True))


def _variants(history: Blocks, level: float, effects: Sequence[float]) -> Floats:
    """Return the sums of gains at the threshold, and with each effect: shape ``(1 + effects, blocks)``.

    Of two that never differ the former stay 0, for a threshold that is met only up to rounding would be a gain.
    """
    centred = history.gains - history.gain * history.rows
    null = centred + level * history.rows if history.gains.any() else centred
    return np.stack([null, *(centred + each * history.losses for each in effects)])


def threshold(check: MetricGainCheck) -> float:
    """Return what the lower bound of the gain must exceed."""
    return check.min_gain if check.mode == "superiority" else -check.margin


def upper_bound(alpha: float, simulations: int) -> float:
    """Return the rate that a test of exactly ``alpha`` exceeds in one of a hundred rounds of so many simulations."""
    from scipy.stats import binom  # type: ignore[import-untyped, unused-ignore]

    return float(binom.ppf(SURE, simulations, alpha) / simulations)
