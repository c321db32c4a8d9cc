"""What each interval of a table held at which version, from one reading of the table's log."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from slipstream.lake.completeness import Completeness, application

if TYPE_CHECKING:
    from slipstream.intervals import Interval
    from slipstream.lake import Commit, Lake

Content = tuple[tuple[str, str], ...]
"""Interval and digest of each part that an interval is made of."""


class History:
    """The commits of one table.

    Args:
        commits: All of them, newest first, as ``Table.commits`` gives them.
        version: The table's newest version, which need not be a commit of rows; -1 where there is no table.
    """

    def __init__(self, commits: Iterable[Commit], version: int = -1) -> None:
        self._written: dict[Interval, list[Commit]] = {}
        for commit in commits:
            if commit.interval is not None:
                self._written.setdefault(commit.interval, []).append(commit)
        ordered = sorted(self._written)
        # The rule, and the quick way: every interval was only ever written as itself.
        self._plain = all(left.end <= right.start for left, right in itertools.pairwise(ordered))
        newest = max((commits[0].version for commits in self._written.values()), default=-1)
        self.version = max(version, newest)
        self.live: dict[Interval, Commit] = (
            {interval: self._written[interval][0] for interval in ordered}
            if self._plain
            else {interval: self._commit(interval, at) for interval, at in self._at(self.version).live.items()}
        )
        self._completeness = Completeness({application(i): commit.version for i, commit in self.live.items()})

    @classmethod
    def of(cls, lake: Lake, table: str) -> History:
        version = lake.table(table).version()
        return cls([]) if version is None else cls(lake.table(table).commits(), version)

    def parts(self, interval: Interval) -> list[Interval]:
        """Return the live intervals that share a moment with ``interval``."""
        if self._plain and interval in self.live:
            return [interval]
        return list(self._completeness.overlapping(interval))

    def complete(self, interval: Interval) -> bool:
        return self._completeness.complete(interval)

    def changed(self, interval: Interval, version: int) -> bool:
        """Tell whether the interval holds other rows than at ``version``; the same rows written again are no change."""
        parts = self.parts(interval)
        if all(self.live[part].version <= version for part in parts) and (self._plain or version >= self.version):
            return False
        return self.content(interval, version) != self.content(interval, self.version)

    def content(self, interval: Interval, version: int) -> Content:
        """Return what the interval held at ``version``; nothing where that was nothing."""
        if self._plain and interval in self._written:
            commit = self._commit_until(interval, version)
            return ((str(interval), commit.digest),) if commit else ()
        found = self._at(version).overlapping(interval)
        return tuple((str(part), self._commit(part, at).digest) for part, at in found.items())

    def _commit(self, interval: Interval, version: int) -> Commit:
        return next(commit for commit in self._written[interval] if commit.version == version)

    def _commit_until(self, interval: Interval, version: int) -> Commit | None:
        return next((commit for commit in self._written[interval] if commit.version <= version), None)

    @functools.lru_cache(maxsize=64)  # noqa: B019 - lives as long as one command
    def _at(self, version: int) -> Completeness:
        until = {interval: self._commit_until(interval, version) for interval in self._written}
        return Completeness({application(i): commit.version for i, commit in until.items() if commit})
