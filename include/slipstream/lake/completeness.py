"""Which intervals of a table are complete, told from the application transactions in its Delta log.

Each write records one transaction, ``interval:<start>/<end>``, whose version is the Delta version that wrote it. A
write replaces every interval that it overlaps, also one of another length (a schedule went from hourly to daily).
So an interval is live where no interval that overlaps it was written later.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Mapping
from datetime import datetime

from slipstream.intervals import Interval

PREFIX = "interval:"


def application(interval: Interval) -> str:
    """Return the id of the application transaction that records ``interval``."""
    return f"{PREFIX}{interval}"


class Completeness:
    """The live intervals of one version of a table; they never overlap."""

    def __init__(self, transactions: Mapping[str, int]) -> None:
        written = {_parse(name): version for name, version in transactions.items() if name.startswith(PREFIX)}
        self.live = _live(written)
        self._starts = list(self.live)
        self._keys = [interval.start for interval in self._starts]

    def overlapping(self, interval: Interval) -> dict[Interval, int]:
        """Return each live interval that shares a moment with ``interval``, with the version that wrote it."""
        first = max(bisect.bisect_right(self._keys, interval.start) - 1, 0)
        last = bisect.bisect_left(self._keys, interval.end)
        return {found: self.live[found] for found in self._starts[first:last] if found.overlaps(interval)}

    def complete(self, interval: Interval) -> bool:
        """Say whether ``interval`` was written as it is, or is filled without a gap by shorter intervals that were."""
        if interval in self.live:
            return True
        reached: datetime = interval.start
        for part in self.overlapping(interval):
            if part.start != reached:
                return False
            reached = part.end
        return reached == interval.end


@functools.lru_cache(maxsize=65_536)
def _parse(name: str) -> Interval:
    return Interval.parse(name.removeprefix(PREFIX))


def _live(written: Mapping[Interval, int]) -> dict[Interval, int]:
    """Return, in order, the intervals that no later one overlaps."""
    ordered = sorted(written)
    if all(left.end <= right.start for left, right in itertools.pairwise(ordered)):
        return {interval: written[interval] for interval in ordered}
    begins: list[datetime] = []
    ends: list[datetime] = []
    live = {}
    for interval in sorted(written, key=lambda i: written[i], reverse=True):
        low, high = bisect.bisect_right(ends, interval.start), bisect.bisect_left(begins, interval.end)
        if low == high:
            live[interval] = written[interval]
        merged = (min([interval.start, *begins[low:high]]), max([interval.end, *ends[low:high]]))
        begins[low:high], ends[low:high] = [merged[0]], [merged[1]]
    return dict(sorted(live.items()))
