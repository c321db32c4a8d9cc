"""Rows of one batch that bear the same key.

Of rows that are the same in every declared column, the first stays. Where rows of one key differ, nobody can say
which is right: all of them go to quarantine.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from slipstream.definitions import Source
from slipstream.lake.hashing import mix, seeds, value_lanes

Hashes = npt.NDArray[np.uint64]
SHOWN = 5


def row_hashes(rows: pa.Table, columns: Sequence[str]) -> Hashes:
    """Hash each row's values of ``columns`` to 128 bits, an array of shape (rows, 2)."""
    total = np.zeros((rows.num_rows, 2), dtype=np.uint64)
    for name in columns:
        values = rows.column(name).combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        for lane, hashes in enumerate(value_lanes(values, seeds(name))):
            total[:, lane] += hashes
    for lane in range(2):
        total[:, lane] = mix(np.ascontiguousarray(total[:, lane]))
    return total


class Duplicates:
    """Collects the keys of a batch in 32 bytes a row."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._keys: list[Hashes] = []
        self._rows: list[Hashes] = []

    def add(self, rows: pa.Table) -> None:
        self._keys.append(row_hashes(rows, self._source.key))
        self._rows.append(row_hashes(rows, list(self._source.columns)))

    def groups(self) -> Iterator[tuple[list[int], bool]]:
        """Yield the row numbers (in order) that share a key, and whether their rows are all the same."""
        if not self._keys:
            return
        keys = np.concatenate(self._keys)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        ordered = keys[order]
        same = (ordered[1:] == ordered[:-1]).all(axis=1)
        if not same.any():
            return
        rows = np.concatenate(self._rows)
        bounds = np.flatnonzero(np.concatenate(([True], ~same, [True])))
        for begin, end in itertools.pairwise(bounds):
            if end - begin > 1:
                members = np.sort(order[begin:end])
                yield members.tolist(), bool((rows[members] == rows[members[0]]).all())
