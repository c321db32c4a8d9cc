"""How much changes for those who read the scores? Flipped decisions and the mean shift, against the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.promotion.gate import CheckResult, Evidence, register_check

if TYPE_CHECKING:
    from slipstream.definitions import StabilityCheck

MAX_SHIFT = {"binary_classification": 0.1, "regression": 0.5}


@register_check("stability")
def stability(evidence: Evidence, settings: StabilityCheck) -> CheckResult:
    """Compare the share of flipped decisions, and the mean absolute shift of the scores, with limits.

    A description of these rows, not a test. A regression has no decisions; its shift is in standard deviations of the
    labels.
    """
    if evidence.champion is None:
        return CheckResult("stability", "not_applicable", "There is no champion yet to compare with.")
    task, spread = evidence.model.task, float(evidence.label.std())
    scale = spread if task == "regression" and spread > 0 else 1.0
    limit = MAX_SHIFT[task] if settings.max_shift is None else settings.max_shift
    moved = evidence.challenger - evidence.champion
    shift = float(np.abs(moved).mean()) / scale
    numbers: dict[str, Any] = {
        "shift": shift,
        "mean_change": float(moved.mean()) / scale,
        "max_shift": limit,
        "scale": scale,
        "rows": len(moved),
    }
    text = f"Scores move by {shift:.4f}{' standard deviations' if task == 'regression' else ''} in the mean"
    text += f", {'within' if shift <= limit else 'beyond'} the limit {limit:g}"
    passed = shift <= limit
    if task == "binary_classification":
        flips = _flips(evidence, settings.threshold)
        numbers |= flips | {"max_flips": settings.max_flips, "threshold": settings.threshold}
        within = flips["flips"] <= settings.max_flips
        passed = passed and within
        text += (
            f"; {flips['flips']:.2%} of decisions at {settings.threshold:g} flip ({flips['to_yes']} to yes, "
            f"{flips['to_no']} to no), {'within' if within else 'beyond'} {settings.max_flips:.2%}"
        )
    return CheckResult("stability", "passed" if passed else "failed", f"{text}.", numbers)


def _flips(evidence: Evidence, threshold: float) -> dict[str, Any]:
    ours = evidence.challenger >= threshold
    theirs = np.asarray(evidence.champion) >= threshold
    to_yes, to_no = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    return {"flips": (to_yes + to_no) / len(ours), "to_yes": to_yes, "to_no": to_no}
