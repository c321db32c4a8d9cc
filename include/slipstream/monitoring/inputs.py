"""What monitoring reads for an interval: which windows, and what has to be in the lake for them.

All of it follows from the definition and from the first row of the ledger, which never changes: so the numbers of an
interval are the same in whatever order intervals are scored and watched.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from slipstream.features import Needed, model_inputs
from slipstream.features.inputs import label_inputs, merge, using_views
from slipstream.intervals import Interval

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake

# A year is 52 weeks, so that both windows have the same days of the week.
BEFORE = {"week_before": timedelta(weeks=1), "year_before": timedelta(weeks=52)}


def watched_since(model: Model, *, lake: Lake) -> datetime | None:
    """Return the time (UTC) that the first champion stood at; None before there was one.

    What is predicted of an earlier time was predicted afterwards, so it is not watched.
    """
    from slipstream.promotion import ledger

    first = next((row for row in ledger(model, lake=lake) if row.action == "promoted"), None)
    return max(first.as_of, model.start) if first is not None and first.as_of is not None else None


def drift_window(model: Model, interval: Interval) -> Interval:
    """Return the window whose features and predictions are compared: it ends with the interval."""
    start = max(interval.end - model.monitoring.window, model.start)
    return Interval(min(start, interval.start), interval.end)


def performance_window(model: Model, interval: Interval) -> Interval:
    """Return the newest window, as long as the drift window, whose labels could all be known by the interval's end."""
    end = interval.end - model.label.maturity
    return Interval(end - model.monitoring.window, end)


def earlier_windows(model: Model, window: Interval, since: datetime) -> dict[str, Interval]:
    """Return the windows that ``monitoring.also_compare`` names, those of before the first champion left out."""
    shifted = {name: BEFORE[name] for name in model.monitoring.also_compare}
    found = {name: (window.start - back, window.end - back) for name, back in shifted.items()}
    return {name: Interval(start, end) for name, (start, end) in found.items() if start >= since}


def predicted(model: Model, window: Interval, since: datetime) -> Needed:
    """Return the scoring intervals that touch ``window`` and lie wholly after ``since`` (UTC)."""
    begin = max(since, window.start)
    if begin >= window.end:
        return Needed(model.table, ())
    return Needed(model.table, tuple(i for i in model.cron.intervals(begin, window.end) if i.start >= since))


def own_predictions(model: Model, interval: Interval) -> Needed:
    """Return the scoring intervals that lie wholly in ``interval``."""
    touched = model.cron.intervals(interval.start, interval.end)
    return Needed(model.table, tuple(i for i in touched if i.start >= interval.start and i.end <= interval.end))


def monitoring_inputs(model: Model, interval: Interval, *, definitions: Definitions, lake: Lake) -> list[Needed]:
    """Return what has to be in the lake: every prediction of the windows, from the first champion on, and its features.

    Before there is a champion it is the interval's own predictions; once they are there, ask again.
    """
    return inputs_since(model, interval, watched_since(model, lake=lake), definitions=definitions)


def inputs_since(model: Model, interval: Interval, since: datetime | None, *, definitions: Definitions) -> list[Needed]:
    """Return the same, given since when (UTC) the model is watched."""
    window, due = drift_window(model, interval), interval.end
    needed = [own_predictions(model, interval)]
    if since is None:
        return merge(needed)
    for each in (window, *earlier_windows(model, window, since).values()):
        found = predicted(model, each, since)
        needed.append(found)
        if found.intervals:
            first, last = model.cron.interval_at(max(each.start, since)), found.intervals[-1]
            needed += model_inputs(model, first, definitions=definitions, last=last)
    labelled = performance_window(model, interval)
    if labelled.end > since:
        needed.append(predicted(model, labelled, since))
        needed += label_inputs(model, max(labelled.start, since), labelled.end, due, definitions=definitions)
    return merge(needed)


def inputs_read(
    model: Model, interval: Interval, since: datetime | None, tables: Collection[str], *, definitions: Definitions
) -> list[Needed]:
    """Return what an interval was watched by, given the ``tables`` that were read for it."""
    needed = inputs_since(using_views(model, tables, definitions), interval, since, definitions=definitions)
    return [each for each in needed if each.table in tables]
