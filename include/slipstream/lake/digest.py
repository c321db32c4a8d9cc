"""The digest of a set of rows: one hash for the same rows in any order, in any layout, in any process.

Each row is hashed to 128 bits and the hashes are added up modulo 2^64 a lane, so that the sum does not depend on the
order of the rows and counts a row as often as it occurs. This is MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend
and Suh, "Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking" (ASIACRYPT 2003),
with a quick unkeyed hash in place of a cryptographic one: it finds accidents, not attackers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from slipstream.lake.hashing import mix, seeds, value_lanes
from slipstream.lake.schemas import normal_schema, normalise

INTERVAL_COLUMN = "interval_start"
SLICE_ROWS = 65_536  # so that the working arrays stay in the processor's cache
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Digest:
    """The number of rows, and 64 hexadecimal digits that tell one multiset of rows from another."""

    rows: int
    hex: str

    def __str__(self) -> str:
        return self.hex


class RowDigest:
    """Adds up the digest of rows that arrive batch by batch."""

    def __init__(self, schema: pa.Schema, *, ignore: Collection[str] = ()) -> None:
        self._fields = sorted(
            ((index, field) for index, field in enumerate(schema) if field.name not in ignore),
            key=lambda pair: pair[1].name,
        )
        self._seeds = {field.name: seeds(f"{field.name}\0{type_name(field.type)}") for _, field in self._fields}
        self._sums = [0, 0]
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Add rows whose schema is the normal form of the one given at the start (``schemas.normalise``)."""
        for begin in range(0, batch.num_rows, SLICE_ROWS):
            self._add(batch.slice(begin, SLICE_ROWS))

    def _add(self, batch: pa.RecordBatch) -> None:
        totals = [np.zeros(batch.num_rows, dtype=np.uint64) for _ in range(2)]
        for index, field in self._fields:
            for total, lane in zip(totals, value_lanes(batch.column(index), self._seeds[field.name]), strict=True):
                np.add(total, lane, out=total)
        for place, total in enumerate(totals):
            self._sums[place] = (self._sums[place] + int(mix(total).sum(dtype=np.uint64))) & _WORD
        self.rows += batch.num_rows

    def digest(self) -> Digest:
        """Return the digest of the rows so far."""
        columns = [[field.name, type_name(field.type)] for _, field in self._fields]
        content = json.dumps(["slipstream rows 1", columns, self.rows, *self._sums], ensure_ascii=True)
        return Digest(self.rows, hashlib.sha256(content.encode()).hexdigest())


def type_name(kind: pa.DataType) -> str:
    """Return one name for a logical type, however Arrow stores it."""
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    if pa.types.is_struct(kind):
        return "struct<" + ", ".join(f"{f.name}: {type_name(f.type)}" for f in sorted(kind, key=lambda f: f.name)) + ">"
    if pa.types.is_map(kind):
        return f"map<{type_name(kind.key_type)}, {type_name(kind.item_type)}>"
    if hasattr(kind, "value_type"):
        return f"list<{type_name(kind.value_type)}>"
    return str(kind)


def digest_rows(
    rows: pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch], *, ignore: Collection[str] = (INTERVAL_COLUMN,)
) -> Digest:
    """Return the digest of rows, the same as the lake records when it writes them.

    The order of rows and columns, chunks, dictionary encoding and the kind of string do not matter; types, column
    names and how often a row occurs do. Null, NaN and the empty string are three different values.

    Args:
        rows: A table, or batches of one schema; no batch at all is an empty set of no columns.
        ignore: Columns that do not count.

    Raises:
        SchemaError: A column has a type that the lake cannot store.
    """
    batches = iter(rows.to_batches() if isinstance(rows, pa.Table) else rows)
    schema = getattr(rows, "schema", None)
    if schema is None:
        first = next(batches, None)
        if first is None:
            return RowDigest(pa.schema([])).digest()
        schema, batches = first.schema, (batch for group in ([first], batches) for batch in group)
    normal = normal_schema(schema)
    total = RowDigest(normal, ignore=ignore)
    for batch in batches:
        total.update(normalise(batch, normal))
    return total.digest()
