"""Rows cut into groups by a column: words and flags by value, numbers by quantiles."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.promotion.gate import Evidence

MISSING = "missing"


def absent_columns(evidence: Evidence, columns: tuple[str, ...]) -> list[str]:
    """Return those of ``columns`` (``view:feature``, or a column of the population) that the rows have not."""
    return [name for name in columns if name.replace(":", "__") not in evidence.rows.column_names]


def groups_of(evidence: Evidence, column: str, *, buckets: int) -> tuple[NDArray[np.int64], list[str]]:
    """Return each row's group, shape ``(n,)``, and the names of the groups.

    Numbers with more than ``buckets`` distinct values are cut at the quantiles of these rows; missing ones are a group
    of their own.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = evidence.rows.column(column.replace(":", "__")).combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if number and pc.count_distinct(values).as_py() > buckets:
        return _cut(values.cast(pa.float64(), safe=False), buckets)
    coded = values.dictionary_encode()
    names = [str(name) for name in coded.dictionary.to_pylist()]
    codes = coded.indices.fill_null(len(names)).to_numpy().astype(np.int64)
    return codes, [*names, MISSING]


def _cut(values: pa.Array, buckets: int) -> tuple[NDArray[np.int64], list[str]]:
    """Return the bucket of each number; equal numbers are in one bucket, so there may be fewer than asked for."""
    numbers: Any = values.to_numpy(zero_copy_only=False)
    known = numbers[~np.isnan(numbers)]
    inner = np.unique(np.quantile(known, np.linspace(0, 1, buckets + 1)[1:-1], method="lower"))
    codes = np.searchsorted(inner, numbers, side="left").astype(np.int64)
    codes[np.isnan(numbers)] = len(inner) + 1
    edges = [f"{edge:.4g}" for edge in inner]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
    return codes, [f"up to {edges[0]}", *between, f"above {edges[-1]}", MISSING]
