"""Samples that are the same rows each time: those whose key hashes lowest, whatever their order or layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]


def row_hashes(rows: pa.RecordBatch | pa.Table, columns: Sequence[str]) -> Hashes:
    """Return one 64-bit hash a row, of the values of ``columns``; null is a value of its own."""
    import pyarrow as pa

    from slipstream.lake.hashing import mix, seeds, value_lanes

    total = np.zeros(rows.num_rows, dtype=np.uint64)
    for name in columns:
        column = rows.column(name)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        total += value_lanes(column, seeds(name))[0]
    return mix(total)


def sample_rows(batches: Iterable[pa.RecordBatch], schema: pa.Schema, key: Sequence[str], size: int) -> pa.Table:
    """Return at most about ``size`` rows, those whose ``key`` hashes lowest; memory holds ``size`` rows and a batch.

    Rows of one key stay together, so a key that occurs twice may make the sample larger.
    """
    import pyarrow as pa

    kept = schema.empty_table()
    for batch in batches:
        rows = pa.concat_tables([kept, pa.Table.from_batches([batch])])
        kept = rows.filter(pa.array(below(rows, key, limit_of(rows, key, size)))) if rows.num_rows > size else rows
    return kept


def limit_of(rows: pa.Table, key: Sequence[str], size: int) -> np.uint64:
    """Return the ``size``-th lowest hash of ``rows``; the greatest there is where they are fewer."""
    if rows.num_rows <= size:
        return np.uint64(np.iinfo(np.uint64).max)
    hashes = row_hashes(rows, key)
    return np.uint64(np.partition(hashes, size - 1)[size - 1])


def below(rows: pa.RecordBatch | pa.Table, key: Sequence[str], limit: np.uint64) -> NDArray[np.bool_]:
    """Return which rows belong to the sample whose greatest hash is ``limit``."""
    found: NDArray[np.bool_] = row_hashes(rows, key) <= limit
    return found
