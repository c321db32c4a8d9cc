from __future__ import annotations

import bisect

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slipstream.features.search import distinct, last_at_or_before

INTS = st.lists(st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1)), max_size=20)


def array(values: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


@given(INTS, INTS)
def test_each_value_finds_what_bisection_finds(ascending: list[int], values: list[int]) -> None:
    ascending = sorted(ascending)
    expected = [bisect.bisect_right(ascending, value) - 1 for value in values]
    assert last_at_or_before(array(ascending), array(values)).tolist() == expected


@given(INTS)
def test_distinct_values_are_ascending_and_complete(values: list[int]) -> None:
    assert distinct(array(values)).tolist() == sorted(set(values))
