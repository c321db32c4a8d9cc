"""What is the gain worth? Each outcome of a decision has a declared value; the sum is money a day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.promotion.gate import CheckResult, Evidence, register_check
from slipstream.promotion.resampling import MIN_BLOCKS, block_sums, mean_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import ValueCheck


@register_check("value")
def value(evidence: Evidence, settings: ValueCheck) -> CheckResult:
    """Test whether decisions by the challenger are worth more a day than by the champion, by blocks of time.

    The mean is over blocks that hold rows, each counted once however many rows it has, because the money of a day is
    what a day brings. A regression has no decisions, so it does not apply there.
    """
    if evidence.model.task != "binary_classification":
        return CheckResult("value", "not_applicable", "Outcomes have a value for a classification only.")
    days = settings.block / timedelta(days=1)
    blocks = evidence.blocks(settings.block)
    ours, _ = block_sums(worth(evidence.label, evidence.challenger, settings), blocks)
    numbers: dict[str, Any] = {
        "unit": settings.unit,
        "threshold": settings.threshold,
        "challenger_a_day": float(ours.mean() / days),
        "blocks": len(ours),
    }
    if evidence.champion is None:
        sentence = (
            f"Decisions by the challenger are worth {numbers['challenger_a_day']:.2f} {settings.unit} a day; there is "
            f"no champion yet to compare with."
        )
        return CheckResult("value", "not_applicable", sentence, numbers)
    theirs, _ = block_sums(worth(evidence.label, evidence.champion, settings), blocks)
    numbers["champion_a_day"] = float(theirs.mean() / days)
    if len(ours) < MIN_BLOCKS:
        sentence = (
            f"The rows fall into {len(ours)} block(s) of time; at least {MIN_BLOCKS} are wanted to tell a gain from "
            f"chance. Widen evaluation.window, or shorten the check's block."
        )
        return CheckResult("value", "undecided", sentence, numbers | {"min_blocks": MIN_BLOCKS})
    gain = mean_difference(
        (ours - theirs) / days,
        np.arange(len(ours)),
        alpha=settings.alpha,
        threshold=settings.min_gain,
        resamples=settings.resamples,
        seed=evidence.seed("value"),
    )
    passed = gain.lower > settings.min_gain
    numbers |= {
        "method": "block bootstrap-t with Student's t as a floor",
        "gain_a_day": gain.mean,
        "standard_error": gain.error,
        "lower": gain.lower,
        "upper": gain.upper,
        "p_value": gain.p_value,
        "alpha": settings.alpha,
        "min_gain": settings.min_gain,
        "resamples": settings.resamples,
    }
    sentence = (
        f"{numbers['challenger_a_day']:.2f} {settings.unit} a day against the champion's "
        f"{numbers['champion_a_day']:.2f}: a gain of {gain.mean:+.2f}, lower bound {gain.lower:+.2f}, upper bound "
        f"{gain.upper:+.2f}; more than {settings.min_gain:+g} is wanted: {'met' if passed else 'not met'}."
    )
    return CheckResult("value", "passed" if passed else "failed", sentence, numbers)


def worth(label: NDArray[np.float64], score: NDArray[np.float64], settings: ValueCheck) -> NDArray[np.float64]:
    """Return what the decision on each row is worth, shape ``(n,)``."""
    true, yes = label > 0.5, score >= settings.threshold
    hit, alarm = settings.true_positive, settings.false_positive
    miss, rest = settings.false_negative, settings.true_negative
    found = np.where(yes, np.where(true, hit, alarm), np.where(true, miss, rest))
    return np.asarray(found, dtype=np.float64)
