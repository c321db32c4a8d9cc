"""Entity keys of any type and number, as one int64 code a row, the same on both sides of a join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slipstream.errors import SchemaError
from slipstream.features.search import distinct, last_at_or_before

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes: TypeAlias = NDArray[np.int64]

NO_MATCH = -1
# Pairs of codes are renumbered densely beyond this, so that the next pairing cannot pass 2**63.
_DENSE_ABOVE = 2**31
# A span of integers up to this many times their number is looked up in an array instead of a hash table.
_LOOKUP_SPAN = 4


@dataclass(frozen=True)
class _Column:
    """One key column of a view: its distinct values, each one's place being its code."""

    name: str
    kind: pa.DataType
    values: pa.Array
    lookup: Codes | None
    lowest: int

    def encode(self, array: pa.Array, name: str) -> Codes:
        """Return each value's code; NO_MATCH for a null and for a value that the view has not."""
        if pa.types.is_dictionary(array.type):
            codes = self.encode(array.dictionary, name)
            places = pc.fill_null(array.indices.cast(pa.int64()), len(codes))
            with_null: Codes = np.append(codes, NO_MATCH)
            decoded: Codes = with_null[np.asarray(places)]
            return decoded
        if pa.types.is_null(array.type) or pa.types.is_null(self.kind):
            return np.full(len(array), NO_MATCH, dtype=np.int64)
        found = _normalise(array, name)
        if found.type != self.kind:
            message = (
                f"Key {name!r} of the population is {array.type}, but {self.name!r} of the view is {self.kind}. "
                "Give both the same type, for example by a cast in the SQL."
            )
            raise SchemaError(message)
        if self.lookup is None:
            return np.asarray(pc.fill_null(pc.index_in(found, self.values), NO_MATCH), dtype=np.int64)
        numbers = pc.fill_null(found, self.lowest - 1).to_numpy(zero_copy_only=False)
        inside = (numbers >= self.lowest) & (numbers < self.lowest + len(self.lookup))
        return np.where(inside, self.lookup[np.where(inside, numbers - self.lowest, 0)], NO_MATCH)


@dataclass(frozen=True)
class KeyEncoder:
    """The keys of a view, ready to give the code of a row of the view or of a population."""

    columns: Sequence[_Column]
    dense: Sequence[Codes | None]
    size: int

    @property
    def widest(self) -> int:
        """The number of distinct values of the key column that has most."""
        return max((len(column.values) for column in self.columns), default=0)

    def encode(self, arrays: Sequence[pa.Array], names: Sequence[str], *, rows: int) -> Codes:
        """Return one code a row, below ``size``; NO_MATCH where a key is null or the view has no such entity."""
        codes = np.zeros(rows, dtype=np.int64)
        for array, name, column, dense in zip(arrays, names, self.columns, self.dense, strict=True):
            codes = _pair(codes, column.encode(array, name), len(column.values))
            if dense is not None:
                codes = _renumber(codes, dense)
        return codes


def learn_keys(arrays: Sequence[pa.Array], names: Sequence[str], *, rows: int) -> tuple[KeyEncoder, Codes]:
    """Learn the keys of a view from its rows; return the encoder and each row's code.

    No key at all is one entity, whose code is 0.
    """
    columns: list[_Column] = []
    denses: list[Codes | None] = []
    codes, size = np.zeros(rows, dtype=np.int64), 1
    for array, name in zip(arrays, names, strict=True):
        column = _learn_column(array, name)
        codes = _pair(codes, column.encode(array, name), len(column.values))
        size *= max(len(column.values), 1)
        dense = None
        if size > _DENSE_ABOVE:
            dense = distinct(codes[codes != NO_MATCH])
            codes, size = _renumber(codes, dense), max(len(dense), 1)
        columns.append(column)
        denses.append(dense)
    return KeyEncoder(columns=columns, dense=denses, size=size), codes


def _learn_column(array: pa.Array, name: str) -> _Column:
    plain = array.dictionary if pa.types.is_dictionary(array.type) else array
    values = pc.unique(_normalise(plain, name)).drop_null()
    lookup, lowest = None, 0
    if pa.types.is_int64(values.type) and len(values):
        numbers = values.to_numpy()
        lowest, highest = int(numbers.min()), int(numbers.max())
        if lowest > np.iinfo(np.int64).min and highest - lowest < _LOOKUP_SPAN * len(array):
            lookup = np.full(highest - lowest + 1, NO_MATCH, dtype=np.int64)
            lookup[numbers - lowest] = np.arange(len(numbers))
    return _Column(name=name, kind=values.type, values=values, lookup=lookup, lowest=lowest)


def _normalise(array: pa.Array, name: str) -> pa.Array:
    """Cast a key to the widest type of its kind, so that int32 meets int64 and string meets large_string."""
    wanted = _widest(array.type)
    if wanted is None:
        message = (
            f"Key {name!r} is {array.type}; a key is an integer, text, a boolean, a date, a time or a decimal. "
            "Cast it in the SQL."
        )
        raise SchemaError(message)
    if array.type == wanted:
        return array
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid as error:
        message = f"Key {name!r} is {array.type} and does not fit {wanted}: {error}"
        raise SchemaError(message) from error


def _widest(kind: pa.DataType) -> pa.DataType | None:
    is_ = pa.types
    if is_.is_integer(kind):
        return pa.int64()
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return pa.large_string()
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return pa.large_binary()
    if is_.is_date(kind):
        return pa.date32()
    if is_.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    return kind if is_.is_boolean(kind) or is_.is_decimal(kind) or is_.is_null(kind) else None


def _pair(left: Codes, right: Codes, right_size: int) -> Codes:
    paired = left * max(right_size, 1) + right
    return np.where((left == NO_MATCH) | (right == NO_MATCH), NO_MATCH, paired)


def _renumber(codes: Codes, dense: Codes) -> Codes:
    if not len(dense):
        return np.full(len(codes), NO_MATCH, dtype=np.int64)
    places = last_at_or_before(dense, codes)
    return np.where(dense[places] == codes, places, NO_MATCH)
