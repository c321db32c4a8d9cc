"""Does anybody pay for the gain? No declared group of rows is worse off than under the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.metrics import row_losses
from slipstream.promotion.checks.groups import absent_columns, groups_of
from slipstream.promotion.gate import CheckResult, Evidence, register_check
from slipstream.promotion.resampling import MIN_BLOCKS, mean_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import SlicesCheck

Found = dict[str, Any]


@register_check("slices")
def slices(evidence: Evidence, settings: SlicesCheck) -> CheckResult:
    """Test each slice for harm beyond the margin, by blocks of time, and correct by Holm (1979) for their number.

    A slice with fewer than ``min_rows`` rows, or in too few blocks of time, is not judged. That a slice passes says
    that no harm was found in it, not that there is none.
    """
    if evidence.champion is None:
        return CheckResult("slices", "not_applicable", "There is no champion yet to compare with.")
    if missing := absent_columns(evidence, settings.columns):
        sentence = (
            f"The evaluation rows have no column {', '.join(missing)}. Name one of theirs in the check's columns."
        )
        return CheckResult("slices", "undecided", sentence, {"missing": missing})
    metric = settings.metric or evidence.model.default_loss
    harm = row_losses(metric, evidence.label, evidence.challenger)
    harm -= row_losses(metric, evidence.label, evidence.champion)
    found, passed_over = _tested(evidence, settings, harm)
    for each, p_value in zip(found, holm([each["p_value"] for each in found]), strict=True):
        each["p_holm"] = p_value
    harmed = [each for each in found if each["p_holm"] <= settings.alpha]
    numbers = {
        "metric": metric,
        "margin": settings.margin,
        "alpha": settings.alpha,
        "method": "one-sided block bootstrap-t a slice, corrected by Holm",
        "slices": found,
        "passed_over": passed_over,
        "harmed": len(harmed),
    }
    if not found:
        sentence = (
            f"None of {passed_over} slices has {settings.min_rows} rows in {MIN_BLOCKS} blocks of time. "
            f"Widen evaluation.window, or lower the check's min_rows."
        )
        return CheckResult("slices", "undecided", sentence, numbers)
    return CheckResult("slices", "failed" if harmed else "passed", _sentence(numbers, found, harmed), numbers)


def holm(p_values: list[float]) -> list[float]:
    """Return p-values that may each be held against one level, however many there are (Holm 1979)."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    grown = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1.0)
    adjusted = np.empty_like(values)
    adjusted[order] = grown
    return [float(value) for value in adjusted]


def _tested(evidence: Evidence, settings: SlicesCheck, harm: NDArray[np.float64]) -> tuple[list[Found], int]:
    """Return what was found in each slice that can be judged, and how many cannot."""
    blocks, found, passed_over = evidence.blocks(settings.block), [], 0
    for column in settings.columns:
        codes, names = groups_of(evidence, column, buckets=settings.buckets)
        order = np.argsort(codes, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
        for name, part in zip(names, parts, strict=True):
            if len(part) < settings.min_rows or len(np.unique(blocks[part])) < MIN_BLOCKS:
                passed_over += bool(len(part))
                continue
            tested = mean_difference(
                harm[part],
                blocks[part],
                alpha=settings.alpha,
                threshold=settings.margin,
                resamples=settings.resamples,
                seed=evidence.seed("slices", column, name),
            )
            found.append(
                {
                    "column": column,
                    "slice": name,
                    "rows": tested.rows,
                    "harm": tested.mean,
                    "lower": tested.lower,
                    "upper": tested.upper,
                    "p_value": tested.p_value,
                }
            )
    return found, passed_over


def _sentence(numbers: Found, found: list[Found], harmed: list[Found]) -> str:
    worst = min(harmed, key=lambda each: (each["p_holm"], -each["harm"])) if harmed else max(found, key=_harm)
    verdict = f"{len(harmed)} of {len(found)} slices are" if harmed else f"None of {len(found)} slices is"
    return (
        f"{verdict} worse than under the champion by more than {numbers['margin']:g} of {numbers['metric']}; the worst "
        f"is {worst['column']} = {worst['slice']}, {worst['harm']:+.4f} on {worst['rows']} rows, "
        f"p = {worst['p_holm']:.3g} after Holm."
    )


def _harm(found: Found) -> float:
    return float(found["harm"])
