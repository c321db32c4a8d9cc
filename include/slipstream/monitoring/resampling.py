"""Windows drawn from a reference: whole days, of the right day of the week, and rows within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from slipstream.monitoring.distances import Floats

    Ints = NDArray[np.int64]

WEEK = 7


@dataclass(frozen=True)
class Days:
    """The days of a reference.

    Attributes:
        day_of: The day of each row, counted from the first one; shape ``(rows,)``.
        there: The days that have rows, in order.
        weekday: Day of the week of day 0.
    """

    day_of: Ints
    there: Ints
    weekday: int

    @classmethod
    def of(cls, times: list[datetime]) -> Days:
        dates = np.array([time.toordinal() for time in times], dtype=np.int64)
        first = int(dates.min())
        return cls(dates - first, np.unique(dates - first), first % WEEK)

    def draw(self, length: int, dice: np.random.Generator, *, block: int = 1) -> Ints:
        """Return ``length`` days of the reference for consecutive days: each of the same day of the week.

        Blocks of ``block`` consecutive days keep what lasts for longer than a day, such as weather. Where the reference
        has less than two of each day of the week, any day stands for any, or no two weeks would differ.
        """
        weekdays = (self.there + self.weekday) % WEEK
        if np.bincount(weekdays, minlength=WEEK).min() < 2:
            weekdays = np.full(len(self.there), -1)
        known = set(self.there.tolist())
        found: list[int] = []
        while len(found) < length:
            fitting = self.there[weekdays == len(found) % WEEK]
            day = int(dice.choice(fitting if len(fitting) else self.there))
            run = [each for each in range(day, day + block) if each in known]
            found += run[: next((i for i, each in enumerate(run) if each != day + i), len(run))]
        return np.array(found[:length], dtype=np.int64)

    def counts(self, days: Ints, weight: Floats, per_day: float, dice: np.random.Generator) -> Floats:
        """Return how often each row is drawn on each of ``days``: shape ``(days, rows)``.

        ``per_day`` rows are drawn on an average day, with replacement, more where a day of the reference has more.
        """
        drawn = np.zeros((len(days), len(self.day_of)), dtype=np.float64)
        usual = len(self.day_of) / len(self.there)
        for day in np.unique(days):
            rows = np.flatnonzero(self.day_of == day)
            chance = weight[rows]
            if chance.sum() <= 0:
                continue
            number = round(per_day * len(rows) / usual * min(1.0, float(chance.mean())))
            which = np.flatnonzero(days == day)
            drawn[np.ix_(which, rows)] = dice.multinomial(number, chance / chance.sum(), size=len(which))
        return drawn


def windows_of(days: Floats, length: int, step: int) -> Floats:
    """Return the sums of each ``length`` consecutive days, every ``step`` days: shape ``(windows, rows)``."""
    total = np.concatenate([np.zeros((1, days.shape[1])), np.cumsum(days, axis=0, dtype=np.float64)])
    ends = np.arange(length, len(days) + 1, step)
    found: Floats = total[ends] - total[ends - length]
    return found
