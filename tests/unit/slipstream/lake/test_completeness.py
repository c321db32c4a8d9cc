from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import given, settings

from slipstream.intervals import Interval
from slipstream.lake.completeness import Completeness, application

EPOCH = datetime(2013, 1, 1, tzinfo=UTC)


def hours(start: int, end: int) -> Interval:
    return Interval(EPOCH + timedelta(hours=start), EPOCH + timedelta(hours=end))


BOUNDS = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda pair: hours(pair[0], pair[0] + pair[1]))


@settings(deadline=None)
@given(writes=st.lists(BOUNDS, max_size=12), asked=BOUNDS)
def test_an_interval_is_live_until_a_later_write_overlaps_it(writes: list[Interval], asked: Interval) -> None:
    live: dict[Interval, int] = {}
    for version, interval in enumerate(writes):
        live = {other: at for other, at in live.items() if not other.overlaps(interval)} | {interval: version}
    found = Completeness({application(interval): version for version, interval in enumerate(writes)})
    assert list(found.live.items()) == sorted(live.items())
    assert found.overlapping(asked) == {other: at for other, at in live.items() if other.overlaps(asked)}
    inside = [other for other in live if asked.start <= other.start and other.end <= asked.end]
    assert found.complete(asked) == (sum((other.length for other in inside), timedelta()) == asked.length)


def test_other_applications_do_not_count() -> None:
    assert Completeness({"streaming-job": 7}).live == {}


def test_a_gap_or_an_overhang_is_not_complete() -> None:
    found = Completeness({application(hours(0, 1)): 0, application(hours(2, 3)): 1, application(hours(3, 5)): 2})
    assert not found.complete(hours(0, 3))
    assert not found.complete(hours(2, 4))
    assert found.complete(hours(2, 5))
