"""Do the scores mean what they say? Predicted against observed, in equally filled bins of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.promotion.gate import CheckResult, Evidence, register_check
from slipstream.promotion.resampling import MIN_BLOCKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import CalibrationCheck

MIN_ROWS = 20  # of a bin; fewer rows make fewer bins
LIMITS = {"binary_classification": 0.05, "regression": 0.15}


@register_check("calibration")
def calibration(evidence: Evidence, settings: CalibrationCheck) -> CheckResult:
    """Compare the calibration error with a limit and with the champion's.

    Classification: the expected calibration error of Naeini, Cooper and Hauskrecht (2015), in bins of equal count.
    Regression: the mean absolute bias of the bins, as a share of the labels' standard deviation. What a perfectly
    calibrated version would show on so few rows (the mean of a folded normal, by the error of each bin, clustered by
    time) is allowed on top of the limit, because the error of a finite sample is never zero.
    """
    task, spread = evidence.model.task, float(evidence.label.std())
    scale = spread if task == "regression" and spread > 0 else 1.0
    limit = LIMITS[task] if settings.limit is None else settings.limit
    blocks = evidence.blocks(settings.block)
    if len(np.unique(blocks)) < MIN_BLOCKS:
        blocks = np.arange(len(blocks))
    curve, noise = _curve(evidence.label, evidence.challenger, blocks, bins=settings.bins)
    error, noise = _error(curve) / scale, noise / scale
    theirs = None
    if evidence.champion is not None:
        theirs = _error(_curve(evidence.label, evidence.champion, blocks, bins=settings.bins)[0]) / scale
    worse = theirs is not None and error - theirs > settings.margin
    passed = error <= limit + noise and not worse
    numbers = {
        "error": error,
        "champion_error": theirs,
        "noise": noise,
        "limit": limit,
        "margin": settings.margin,
        "scale": scale,
        "curve": curve,
    }
    return CheckResult("calibration", "passed" if passed else "failed", _sentence(numbers, task, worse), numbers)


def _curve(
    label: NDArray[np.float64], score: NDArray[np.float64], blocks: NDArray[np.int64], *, bins: int
) -> tuple[list[dict[str, Any]], float]:
    """Return rows, mean score and mean label of each bin, and the mean absolute gap that chance alone would give."""
    parts = np.array_split(np.argsort(score, kind="stable"), max(1, min(bins, len(score) // MIN_ROWS)))
    curve, noise = [], 0.0
    for part in parts:
        gap = label[part] - score[part]
        curve.append({"rows": len(part), "score": float(score[part].mean()), "label": float(label[part].mean())})
        _, index = np.unique(blocks[part], return_inverse=True)
        sums = np.bincount(index, weights=gap - gap.mean())
        factor = len(sums) / max(len(sums) - 1, 1)
        noise += float(np.sqrt(2 / np.pi * factor * np.square(sums).sum())) / len(score)
    return curve, noise


def _error(curve: list[dict[str, Any]]) -> float:
    rows = sum(part["rows"] for part in curve)
    return float(sum(abs(part["label"] - part["score"]) * part["rows"] for part in curve) / rows)


def _sentence(numbers: dict[str, Any], task: str, worse: bool) -> str:
    what = "Calibration error" if task == "binary_classification" else "Bias by score, in standard deviations,"
    within = numbers["error"] <= numbers["limit"] + numbers["noise"]
    text = (
        f"{what} {numbers['error']:.4f}, {'within' if within else 'beyond'} the limit {numbers['limit']:g} plus "
        f"{numbers['noise']:.4f} for chance"
    )
    if numbers["champion_error"] is not None:
        text += (
            f"; the champion's is {numbers['champion_error']:.4f}, and {'more than' if worse else 'at most'} "
            f"{numbers['margin']:g} worse than it"
        )
    return f"{text}."
