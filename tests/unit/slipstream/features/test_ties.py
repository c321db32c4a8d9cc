from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from slipstream.features.ties import rank_values


@pytest.mark.parametrize(
    ("kind", "ascending"),
    [
        (pa.float64(), [None, -math.inf, -1.0, -0.0, 0.0, 5e-324, 1.0, math.inf, math.nan]),
        (pa.float32(), [None, -math.inf, -0.0, 0.0, 1.5, math.nan]),
        (pa.int8(), [None, -128, 0, 127]),
        (pa.string(), [None, "", "Z", "a", "Ä"]),
        (pa.bool_(), [None, False, True]),
        (pa.dictionary(pa.int8(), pa.string()), [None, "a", "b"]),
        (pa.list_(pa.int64()), [None, [1, 2], [10], [1]]),
    ],
)
def test_values_rank_in_the_stated_order_however_they_are_mixed(kind: pa.DataType, ascending: list[Any]) -> None:
    for mixed in (ascending, ascending[::-1], ascending[1::2] + ascending[::2]):
        ranks = rank_values(pa.chunked_array([pa.array(mixed, kind)])).tolist()
        assert len(set(ranks)) == len(mixed)
        by_rank = [mixed[at] for at in sorted(range(len(mixed)), key=ranks.__getitem__)]
        assert [repr(value) for value in by_rank] == [repr(value) for value in ascending]


def test_a_not_a_number_with_its_sign_bit_set_ranks_last_too() -> None:
    ranks = rank_values(pa.chunked_array([pa.array([1.0, -math.nan, math.nan])])).tolist()
    assert ranks[0] < ranks[1] == ranks[2]


def test_a_column_of_nulls_has_one_rank() -> None:
    assert rank_values(pa.chunked_array([pa.nulls(3)])).tolist() == [0, 0, 0]
