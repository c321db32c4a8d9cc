"""What each interval of a table held at which version, from one reading of the table's log."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.lake.completeness import Completeness, application

if TYPE_CHECKING:
    from slipstream.intervals import Interval
    from slipstream.lake import Commit, Lake


class History:
    """The commits of one table.

    Args:
        commits: All of them, newest first, as ``Table.commits`` gives them.
        version: The table's newest version, which need not be a commit of rows; -1 where there is no table.
    """

    def __init__(self, commits: Iterable[Commit], version: int = -1) -> None:
        self.version = version
        self._written: dict[Interval, list[Commit]] = {}
        for commit in commits:
            if commit.interval is not None:
                self._written.setdefault(commit.interval, []).append(commit)
        ordered = sorted(self._written)
        # The rule, and the quick way: every interval was only ever written as itself.
        self._plain = all(left.end <= right.start for left, right in itertools.pairwise(ordered))
        live = ordered if self._plain else list(self._at(version).live)
        self.live: dict[Interval, Commit] = {interval: self._written[interval][0] for interval in live}
        self._completeness = Completeness({application(i): commit.version for i, commit in self.live.items()})
        self._parts = live
        self._starts = [interval.start for interval in live]
        self._versions = np.array([commit.version for commit in self.live.values()], dtype=np.int64)
        self._newest_so_far = np.maximum.accumulate(self._versions)
        self._marked = np.zeros(len(live), dtype=bool)
        self._first_marked: datetime | None = None

    @classmethod
    def of(cls, lake: Lake, table: str) -> History:
        version = lake.table(table).version()
        return cls([]) if version is None else cls(lake.table(table).commits(), version)

    def complete(self, interval: Interval) -> bool:
        return self._completeness.complete(interval)

    def mark(self, interval: Interval) -> None:
        """Remember a live interval for ``marked``."""
        self._marked[bisect.bisect_left(self._starts, interval.start)] = True
        self._first_marked = min(self._first_marked or interval.start, interval.start)

    def untouched(self, until: datetime, version: int) -> bool:
        """Tell, at once, that no interval that starts before ``until`` was marked, or written after ``version``."""
        if not self._plain or version > self.version or (self._first_marked is not None and self._first_marked < until):
            return False
        before = bisect.bisect_left(self._starts, until)
        return before == 0 or bool(self._newest_so_far[before - 1] <= version)

    def marked(self, intervals: Sequence[Interval]) -> list[Interval]:
        """Return the live intervals within ``intervals`` that were marked."""
        return self._where(self._marked, intervals)

    def held(self, intervals: Sequence[Interval]) -> list[Interval]:
        """Return the live intervals within ``intervals``."""
        return self._where(np.ones(len(self._parts), dtype=bool), intervals)

    def changed(self, intervals: Sequence[Interval], version: int) -> list[Interval]:
        """Return those that hold other rows than at ``version``; the same rows written again are no change.

        A table that was deleted and filled again counts from 0: what was read of a later version is not there any more.
        """
        if version > self.version:
            return self.held(intervals)
        if self._plain:
            later = self._where(self._versions > version, intervals)
            return [each for each in later if self._digest(each, version) != self.live[each].origin]
        return [each for each in intervals if self._content(each, version) != self._content(each, self.version)]

    def _where(self, mask: np.ndarray[Any, Any], intervals: Sequence[Interval]) -> list[Interval]:
        """Return the live intervals of ``mask`` that share a moment with ``intervals``, which are in order."""
        if not intervals or not self._parts:
            return []
        low = max(bisect.bisect_right(self._starts, intervals[0].start) - 1, 0)
        high = bisect.bisect_left(self._starts, intervals[-1].end)
        found = [self._parts[low + int(index)] for index in np.flatnonzero(mask[low:high])]
        starts = [interval.start for interval in intervals] if found else []
        return [each for each in found if self._overlaps(each, intervals, starts)]

    @staticmethod
    def _overlaps(part: Interval, intervals: Sequence[Interval], starts: Sequence[Any]) -> bool:
        before = bisect.bisect_left(starts, part.end) - 1  # the last that begins before it ends
        return before >= 0 and intervals[before].end > part.start

    def _digest(self, interval: Interval, version: int) -> str | None:
        commit = self._commit_until(interval, version)
        return commit.origin if commit else None  # rows that were erased since are no reason to make others anew

    def _content(self, interval: Interval, version: int) -> list[tuple[Interval, str | None]]:
        parts = self._at(version).overlapping(interval)
        return [(part, self._digest(part, at)) for part, at in parts.items()]

    def _commit_until(self, interval: Interval, version: int) -> Commit | None:
        return next((commit for commit in self._written[interval] if commit.version <= version), None)

    @functools.lru_cache(maxsize=64)  # noqa: B019 - lives as long as one command
    def _at(self, version: int) -> Completeness:
        until = {interval: self._commit_until(interval, version) for interval in self._written}
        return Completeness({application(i): commit.version for i, commit in until.items() if commit})
