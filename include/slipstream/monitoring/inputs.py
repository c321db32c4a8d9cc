"""What monitoring reads for an interval: which windows, and what has to be in the lake for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipstream.features import Needed, model_inputs
from slipstream.features.inputs import label_inputs, merge
from slipstream.intervals import Interval

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model


def drift_window(model: Model, interval: Interval) -> Interval:
    """Return the window whose features and predictions are compared: it ends with the interval."""
    start = max(interval.end - model.monitoring.window, model.start)
    return Interval(min(start, interval.start), interval.end)


def performance_window(model: Model, interval: Interval) -> Interval:
    """Return the newest window, as long as the drift window, whose labels could all be known by the interval's end."""
    end = interval.end - model.label.maturity
    return Interval(end - model.monitoring.window, end)


def predicted(model: Model, window: Interval) -> Needed:
    """Return the scoring intervals that lie in ``window``."""
    begin = max(model.start, window.start)
    if begin >= window.end:
        return Needed(model.table, ())
    return Needed(model.table, tuple(i for i in model.cron.intervals(begin, window.end) if i.start >= begin))


def monitoring_inputs(model: Model, interval: Interval, *, definitions: Definitions) -> list[Needed]:
    """Return what has to be in the lake: predictions of the interval itself, and the features behind its window.

    Older predictions are used as far as there are any: a model's first weeks have none.
    """
    due = interval.end
    own = [i for i in model.cron.intervals(interval.start, interval.end) if i.start >= interval.start and i.end <= due]
    window = drift_window(model, interval)
    first, last = model.cron.interval_at(window.start), own[-1] if own else interval
    needed = [Needed(model.table, tuple(own)), *model_inputs(model, first, definitions=definitions, last=last)]
    labelled = performance_window(model, interval)
    if labelled.end > model.start:
        needed += label_inputs(model, labelled.start, labelled.end, due, definitions=definitions)
    return merge(needed)
