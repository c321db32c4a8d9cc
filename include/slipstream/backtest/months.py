"""What a policy came to: its numbers by month and over the whole time, and whether each promotion did harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.backtest.rows import ROW, months_of
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.backtest.rows import Rows
    from slipstream.backtest.running import Course
    from slipstream.backtest.versions import Version
    from slipstream.definitions import Model, ValueCheck

AFTER, ALPHA, BLOCK = timedelta(days=30), 0.05, timedelta(days=1)


@dataclass(frozen=True)
class Figures:
    """Labels beside the scores that were served, of one stretch of time."""

    model: Model
    label: NDArray[np.float64]
    score: NDArray[np.float64]
    days: float
    worth: ValueCheck | None

    def as_dict(self) -> dict[str, Any]:
        """Return the task's metrics, the value a day, and how many rows they are of."""
        from slipstream.metrics import summary
        from slipstream.promotion.checks.value import worth

        found: dict[str, Any] = {"rows": len(self.label)}
        if len(self.label):
            found |= summary(self.model.task, self.label, self.score)
            if self.worth is not None:
                found["value_a_day"] = float(worth(self.model, self.label, self.score, self.worth).sum() / self.days)
        return found


def by_month(model: Model, span: Interval, course: Course, rows: Rows, settled: datetime) -> list[dict[str, Any]]:
    """Return one record a month: metrics of what was served, trainings, promotions, and their seconds."""
    return [
        {"month": f"{month.start:%Y-%m}", **_record(model, month, course, rows, settled)} for month in months_of(span)
    ]


def in_all(model: Model, span: Interval, course: Course, rows: Rows, settled: datetime) -> dict[str, Any]:
    """Return the same over the whole time; a metric is over all rows, not a mean of months."""
    return _record(model, span, course, rows, settled)


def _record(model: Model, span: Interval, course: Course, rows: Rows, settled: datetime) -> dict[str, Any]:
    worth = next((check for check in model.gate if check.check == "value"), None)
    known = rows.known(span.start, span.end, settled)
    score, label = course.service.scores[known[ROW].to_numpy()], known["label"].to_numpy().astype(np.float64)
    served = ~np.isnan(score)
    own = [each for each in course.trainings if each.at in span]
    return {
        **Figures(model, label[served], score[served], span.length / timedelta(days=1), worth).as_dict(),
        "retrains": len(own),
        "promotions": sum(each.promoted for each in own),
        "seconds": round(sum(each.seconds for each in own), 1),
    }


def harms(model: Model, span: Interval, course: Course, rows: Rows, settled: datetime) -> list[dict[str, Any]]:
    """Return, for each promotion, what it gained on the rows of the 30 days after it, beside the version before.

    ``harmful`` where even the upper bound of the gain, by blocks of days as in the gate, is below zero.
    """
    turns = course.service.turns
    return [
        _harm(model, old, new, Interval(at, min(at + AFTER, span.end)), rows, settled)
        for (_, old), (at, new) in pairwise(turns)
    ]


def _harm(model: Model, old: Version, new: Version, after: Interval, rows: Rows, settled: datetime) -> dict[str, Any]:
    from slipstream.metrics import row_losses
    from slipstream.promotion.resampling import MIN_BLOCKS, mean_difference, seed_of

    known = rows.known(after.start, after.end, settled)
    numbers, label, metric = known[ROW].to_numpy(), known["label"].to_numpy().astype(np.float64), model.default_loss
    gain = row_losses(metric, label, old.score(numbers)) - row_losses(metric, label, new.score(numbers))
    blocks = _blocks(known)
    found: dict[str, Any] = {"from": iso(after.start), "old": old.version, "new": new.version, "rows": len(label)}
    if len(np.unique(blocks)) < MIN_BLOCKS:
        return {**found, "gain": None, "lower": None, "upper": None, "harmful": False}
    seed = seed_of(model.seed, f"{old.key} {new.key}", "backtest")
    told = mean_difference(gain, blocks, alpha=ALPHA, seed=seed)
    bounds: Mapping[str, Any] = {"gain": told.mean, "lower": told.lower, "upper": told.upper}
    return {**found, **bounds, "harmful": told.upper < 0}


def _blocks(known: pa.Table) -> NDArray[np.int64]:
    import pyarrow as pa

    times = known["prediction_time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    found: NDArray[np.int64] = times // round(BLOCK.total_seconds() * 1_000_000)
    return found
