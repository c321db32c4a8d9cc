"""From one window's numbers to four verdicts: each is of its own, never one share of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slipstream.monitoring.columns import LITTLE_USED
from slipstream.monitoring.rows import REFERENCE, Measurement

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.definitions.model import Monitoring

KINDS = ("data_quality", "drift", "prediction_drift", "performance")


def verdicts_of(model: Model, metrics: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Return one verdict a kind. Features drift by their share of the attributions; else any one beyond counts.

    They are of this window alone: an alarm is what ``alarm_state`` finds in several. A verdict whose value is None
    could not be given: too few rows or labels.
    """
    bounds = model.monitoring
    return tuple(_verdict(kind, [each for each in metrics if each.kind == kind], bounds) for kind in KINDS)


def _verdict(kind: str, own: Sequence[Measurement], bounds: Monitoring) -> Measurement:
    own = [each for each in own if each.compared_with == REFERENCE]
    judged = [each for each in own if each.threshold is not None and each.value is not None and each.metric != "labels"]
    beyond = sorted((each for each in judged if each.alarm), key=lambda each: (-_weight(each), each.metric))
    if kind == "drift":
        total = sum(_weight(each) for each in judged)
        share = round(sum(_weight(each) for each in beyond) / total, 9) if total else None
        limit, method = bounds.drift_share, "attributed_share_beyond_bounds"
    else:
        share, limit, method = (len(beyond) / len(judged) if judged else None), None, "share_beyond_bounds"
    alarm = bool(beyond) and (limit is None or (share or 0.0) >= limit)
    rows = max((each.rows for each in own), default=0)
    compared = max((each.reference_rows for each in own), default=0)
    return Measurement("verdict", kind, method, share, limit, alarm, rows, compared, _note(kind, own, judged, beyond))


def _weight(metric: Measurement) -> float:
    return 1.0 if metric.weight is None else metric.weight


def _note(kind: str, own: Sequence[Measurement], judged: Sequence[Measurement], beyond: Sequence[Measurement]) -> str:
    if not judged:
        pending = any(each.note.startswith("pending") for each in own)
        return "pending" if pending else "not judged"
    used = [each for each in beyond if _weight(each) >= LITTLE_USED]
    unused = [each.metric for each in beyond if _weight(each) < LITTLE_USED]
    words = []
    if used:
        words.append(f"beyond bounds: {', '.join(_named(each) for each in used)}")
    if unused:
        words.append(f"beyond bounds, but hardly used by the model: {', '.join(unused)}")
    words += [each.note for each in own if each.metric == "reference_days" and each.note]
    return "; ".join(words)


def _named(metric: Measurement) -> str:
    if metric.kind != "drift" or metric.weight is None:
        return metric.metric
    return f"{metric.metric} ({metric.weight:.0%} of the attributions)"
