"""A total order of feature values, so that a tie between rows never depends on the order in which they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rank_values(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return numbers that order ``values``: null first, then ascending, -0.0 before 0.0, NaN last.

    Text orders by its bytes, a boolean false before true, and a list, struct or map by its text in Python.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        return _rank_floats(values.cast(pa.float64()))
    if pa.types.is_null(values.type):
        return np.zeros(len(values), dtype=np.int64)
    if pa.types.is_nested(values.type):
        # Rows that tie in both times and whose features are nested are few; Arrow cannot order them.
        values = pa.chunked_array([pa.array([None if v is None else repr(v) for v in values.to_pylist()], pa.string())])
    ranks = np.asarray(pc.rank(values.combine_chunks(), sort_keys="ascending", tiebreaker="dense"), dtype=np.int64)
    return np.where(values.is_valid().to_numpy(), ranks, 0)


def _rank_floats(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """Order floats by their bits, as IEEE 754 totalOrder does, with every NaN last and null first."""
    known = values.is_valid().to_numpy()
    numbers = np.asarray(values.fill_null(0.0).to_numpy(), dtype=np.float64)
    bits = numbers.view(np.int64)
    ordered = bits ^ ((bits >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF))
    ordered = np.where(np.isnan(numbers), np.iinfo(np.int64).max, ordered)
    return np.where(known, ordered, np.iinfo(np.int64).min)
