"""How much changes for those who read the scores and their reasons? Flips, mean shift, and the champion's top features.

The reasons: each of the champion's most important features must keep a part of its share of the importance (the mean
absolute contribution, Lundberg et al. 2020, see ``slipstream.promotion.importance``), and a number must go on pushing
the score in the same direction as it grows. The direction is Spearman's rank correlation of value and contribution; it
has a sign only where it is strong, since the sign of a weak one is chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.promotion.gate import CheckResult, Evidence, register_check
from slipstream.promotion.importance import Importance, importance

if TYPE_CHECKING:
    from slipstream.definitions import StabilityCheck

MAX_SHIFT = {"binary_classification": 0.1, "regression": 0.5}
STRONG = 0.5  # a rank correlation below it has no sign


@register_check("stability")
def stability(evidence: Evidence, settings: StabilityCheck) -> CheckResult:
    """Hold flipped decisions and the mean absolute shift of the scores against limits, and compare top features.

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
    sentence, faults, found = _reasons(evidence, settings)
    passed = passed and not faults
    return CheckResult("stability", "passed" if passed else "failed", f"{text}. {sentence}".strip(), numbers | found)


def _flips(evidence: Evidence, threshold: float) -> dict[str, Any]:
    ours = evidence.challenger >= threshold
    theirs = np.asarray(evidence.champion) >= threshold
    to_yes, to_no = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    return {"flips": (to_yes + to_no) / len(ours), "to_yes": to_yes, "to_no": to_no}


def _reasons(evidence: Evidence, settings: StabilityCheck) -> tuple[str, list[str], dict[str, Any]]:
    """Return in words, as faults and in numbers what became of the champion's top features."""
    if settings.top == 0:
        return "", [], {}
    versions = {"champion": str(evidence.comparison.champion), "challenger": evidence.comparison.challenger}
    looked = {role: importance(evidence, version) for role, version in versions.items()}
    for role, found in looked.items():
        if isinstance(found, str):
            sentence = f"Their reasons are not compared: the {role}, version {versions[role]}: {found}."
            return sentence, [], {"reasons": sentence}
    theirs, ours = looked["champion"], looked["challenger"]
    if isinstance(theirs, str) or isinstance(ours, str):
        raise TypeError
    top = [name for name in theirs.ranked()[: settings.top] if theirs.mean[name] > 0]
    rows = [_feature(name, theirs, ours, settings.min_share) for name in top]
    faults = [f"{row['feature']} {row['fault']}" for row in rows if row["fault"]]
    told = "; ".join(faults) or "each keeps its weight and its direction"
    sentence = f"The champion's {len(top)} most important features, on {theirs.rows} rows: {told}."
    return sentence, faults, {"reasons": rows, "min_share": settings.min_share, "reason_rows": theirs.rows}


def _feature(name: str, theirs: Importance, ours: Importance, min_share: float) -> dict[str, Any]:
    before, after = theirs.direction[name], ours.direction.get(name)
    share = ours.share.get(name, 0.0)
    fault = None
    if share < min_share * theirs.share[name]:
        fault = f"vanishes (its share of the importance falls from {theirs.share[name]:.1%} to {share:.1%})"
    elif before is not None and after is not None and before * after < 0 and min(abs(before), abs(after)) >= STRONG:
        fault = f"turns round (the rank correlation of value and contribution goes from {before:+.2f} to {after:+.2f})"
    return {
        "feature": name.replace("__", ":", 1),
        "champion_share": theirs.share[name],
        "challenger_share": share,
        "champion_direction": before,
        "challenger_direction": after,
        "fault": fault,
    }
