"""What is the gain worth? Each outcome, or each prediction, has a declared value; the sum is money a day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.definitions.code import load_function
from slipstream.definitions.gate import OUTCOMES
from slipstream.errors import DefinitionError
from slipstream.promotion.gate import CheckResult, Evidence, register_check
from slipstream.promotion.resampling import MIN_BLOCKS, block_sums, mean_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import Model, ValueCheck


@register_check("value")
def value(evidence: Evidence, settings: ValueCheck) -> CheckResult:
    """Test whether predictions by the challenger are worth more a day than by the champion, by blocks of time.

    The mean is over blocks that hold rows, each counted once however many rows it has, because the money of a day is
    what a day brings.
    """
    days = settings.block / timedelta(days=1)
    blocks = evidence.blocks(settings.block)
    ours, _ = block_sums(worth(evidence.model, evidence.label, evidence.challenger, settings), blocks)
    numbers: dict[str, Any] = {
        "unit": settings.unit,
        "worth": settings.function or {name: getattr(settings, name) for name in ("threshold", *OUTCOMES)},
        "challenger_a_day": float(ours.mean() / days),
        "blocks": len(ours),
    }
    if evidence.champion is None:
        sentence = (
            f"Predictions by the challenger are worth {numbers['challenger_a_day']:.2f} {settings.unit} a day; there "
            f"is no champion yet to compare with."
        )
        return CheckResult("value", "not_applicable", sentence, numbers)
    theirs, _ = block_sums(worth(evidence.model, evidence.label, evidence.champion, settings), blocks)
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


def worth(
    model: Model, label: NDArray[np.float64], score: NDArray[np.float64], settings: ValueCheck
) -> NDArray[np.float64]:
    """Return what the prediction of each row is worth, shape ``(n,)``."""
    if settings.function is not None:
        return worth_by_function(model, settings.function, label, score)
    true, yes = label > 0.5, score >= settings.threshold
    hit, alarm = settings.true_positive, settings.false_positive
    miss, rest = settings.false_negative, settings.true_negative
    found = np.where(yes, np.where(true, hit, alarm), np.where(true, miss, rest))
    return np.asarray(found, dtype=np.float64)


def worth_by_function(
    model: Model, named: str, label: NDArray[np.float64], prediction: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the team's function says that each prediction is worth: float64 of shape ``(n,)``, finite.

    Raises:
        DefinitionError: The function is not there, or gives something else.
    """
    found = load_function(model, named)(label.copy(), prediction.copy())
    try:
        worth = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        message = f"{named} returned {type(found).__name__}; wanted an array with a number for each prediction."
        raise DefinitionError(message) from None
    if worth.shape != label.shape:
        message = f"{named} returned the shape {worth.shape}; wanted {label.shape}, a number for each prediction."
        raise DefinitionError(message)
    if not np.isfinite(worth).all():
        where = int(np.flatnonzero(~np.isfinite(worth))[0])
        message = (
            f"{named} returned {int((~np.isfinite(worth)).sum())} numbers that are not finite, the first for the label "
            f"{label[where]:g} and the prediction {prediction[where]:g}."
        )
        raise DefinitionError(message)
    return worth
