"""Are groups of people treated alike? Fairlearn's metrics of the decisions, over declared columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.promotion.checks.groups import absent_columns, groups_of
from slipstream.promotion.gate import CheckResult, Evidence, register_check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import FairnessCheck

Found = dict[str, Any]
MIN_OF_A_CLASS = 20  # rows of each class in a group; rates of fewer are noise


@register_check("fairness")
def fairness(evidence: Evidence, settings: FairnessCheck) -> CheckResult:
    """Hold the ratio of selection rates and the equalised odds difference against limits and the champion's.

    A description of these rows, not a test. A group with fewer than ``min_rows`` rows, or fewer than 20 of a class,
    whose rates would be noise, is not judged. A regression has no decisions, so it does not apply there.
    """
    if evidence.model.task != "binary_classification":
        return CheckResult("fairness", "not_applicable", "Selection rates are of a classification only.")
    if missing := absent_columns(evidence, settings.columns):
        sentence = (
            f"The evaluation rows have no column {', '.join(missing)}. Name one of theirs in the check's columns."
        )
        return CheckResult("fairness", "undecided", sentence, {"missing": missing})
    found = [_column(evidence, settings, column) for column in settings.columns]
    judged = [each for each in found if each["groups"] >= 2]
    numbers = {
        "threshold": settings.threshold,
        "min_ratio": settings.min_ratio,
        "max_difference": settings.max_difference,
        "margin": settings.margin,
        "columns": found,
    }
    faults = [fault for each in judged for fault in _faults(each, settings)]
    if faults:
        return CheckResult("fairness", "failed", f"{'; '.join(faults)}.", numbers)
    if len(judged) < len(found):
        names = ", ".join(each["column"] for each in found if each["groups"] < 2)
        sentence = (
            f"Of {names}, fewer than two groups have {settings.min_rows} rows and {MIN_OF_A_CLASS} of each class: "
            f"nothing can be compared. Widen evaluation.window, or lower the check's min_rows."
        )
        return CheckResult("fairness", "undecided", sentence, numbers)
    return CheckResult("fairness", "passed", _sentence(judged), numbers)


def _column(evidence: Evidence, settings: FairnessCheck, column: str) -> Found:
    codes, names = groups_of(evidence, column, buckets=settings.buckets)
    rows, positives = (np.bincount(codes, weights=each, minlength=len(names)) for each in (None, evidence.label))
    judged = (rows >= settings.min_rows) & (positives >= MIN_OF_A_CLASS) & (rows - positives >= MIN_OF_A_CLASS)
    keep = judged[codes]
    found: Found = {
        "column": column,
        "groups": int(judged.sum()),
        "passed_over": [names[place] for place in np.flatnonzero(~judged & (rows > 0))],
    }
    if found["groups"] < 2:
        return found
    for role, score in (("challenger", evidence.challenger), ("champion", evidence.champion)):
        if score is not None:
            found[role] = _measures(evidence.label[keep], score[keep] >= settings.threshold, codes[keep], names)
    return found


def _measures(
    label: NDArray[np.float64], chosen: NDArray[np.bool_], codes: NDArray[np.int64], names: list[str]
) -> Found:
    """Return fairlearn's measures; where nobody at all is chosen, the groups are alike and their ratio is 1."""
    from fairlearn.metrics import MetricFrame, equalized_odds_difference, selection_rate

    yes, truth = chosen.astype(np.int8), (label > 0.5).astype(np.int8)
    frame = MetricFrame(metrics=selection_rate, y_true=truth, y_pred=yes, sensitive_features=codes)
    rates = {names[int(code)]: float(rate) for code, rate in frame.by_group.items()}
    return {
        "ratio": float(frame.ratio(method="between_groups")) if chosen.any() else 1.0,
        "difference": float(equalized_odds_difference(truth, yes, sensitive_features=codes)),
        "rates": rates,
    }


def _faults(found: Found, settings: FairnessCheck) -> list[str]:
    """Return in words where the challenger is beyond a limit, or less fair than the champion."""
    ours, theirs, column = found["challenger"], found.get("champion"), found["column"]
    ratio, difference = ours["ratio"], ours["difference"]
    low, high = min(ours["rates"], key=ours["rates"].get), max(ours["rates"], key=ours["rates"].get)
    faults = []
    if settings.min_ratio is not None and ratio < settings.min_ratio:
        faults.append(
            f"By {column}, {low} is chosen {ratio:.2f} times as often as {high}, less than {settings.min_ratio:g}"
        )
    if settings.max_difference is not None and difference > settings.max_difference:
        faults.append(
            f"By {column}, the odds of a right or wrong yes differ by {difference:.3f}, more than "
            f"{settings.max_difference:g}"
        )
    if theirs and theirs["ratio"] - ratio > settings.margin:
        faults.append(f"By {column}, the ratio of selection rates falls from {theirs['ratio']:.2f} to {ratio:.2f}")
    if theirs and difference - theirs["difference"] > settings.margin:
        faults.append(f"By {column}, the difference in odds rises from {theirs['difference']:.3f} to {difference:.3f}")
    return faults


def _sentence(judged: list[Found]) -> str:
    least = min(judged, key=lambda each: each["challenger"]["ratio"])
    most = max(judged, key=lambda each: each["challenger"]["difference"])
    return (
        f"Within the limits by {', '.join(each['column'] for each in judged)}: the least ratio of selection rates is "
        f"{least['challenger']['ratio']:.2f} ({least['column']}), the largest difference in odds "
        f"{most['challenger']['difference']:.3f} ({most['column']})."
    )
