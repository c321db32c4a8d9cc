"""Text and Arrow numbers to int64, float64 and bool, exactly."""

from __future__ import annotations

import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from slipstream.ingestion.casting.bisection import cast_or_null

_PLAIN_INTEGER = r"^[+-]?[0-9]{1,18}$"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NUMBER_PATTERN = re.compile(_NUMBER.removesuffix("$").removeprefix("^"))
_NOT_A_NUMBER = r"^[+-]?(nan|NaN|NAN)$"
_BOOLS = {"true": True, "false": False, "1": True, "0": False}
_LEAST, _MOST = -(2**63), 2**63 - 1
_DIGITS = 19
EXACT = 2**53


def text_to_int64(values: pa.Array) -> pa.Array:
    """Read whole numbers, also written ``7.0`` or ``1.5e3``, never by way of a float; null where there is none."""
    plain = pc.match_substring_regex(values, _PLAIN_INTEGER)
    numbers = pc.if_else(plain, pc.utf8_ltrim(values, characters="+"), pa.scalar(None, pa.string())).cast(pa.int64())
    odd = pc.and_(pc.invert(plain), pc.is_valid(values))
    rows = pc.indices_nonzero(odd)
    if not len(rows):
        return numbers
    read = pa.array([_whole(text) for text in values.take(rows).to_pylist()], pa.int64())
    return pc.replace_with_mask(numbers, pc.fill_null(odd, False), read)


def _whole(text: str) -> int | None:
    if not _NUMBER_PATTERN.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except ArithmeticError:
        return None
    if number == 0:
        return 0
    if not number.is_finite() or not 0 <= number.adjusted() < _DIGITS or number != number.to_integral_value():
        return None
    whole = int(number)
    return whole if _LEAST <= whole <= _MOST else None


def text_to_float64(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Read decimal and scientific numbers; return them (null where there is none), and where ``NaN`` means no value."""
    number = pc.fill_null(pc.match_substring_regex(values, _NUMBER), False)
    text = values if pc.all(number).as_py() else pc.if_else(number, values, pa.scalar(None, pa.string()))
    read = cast_or_null(pc.utf8_ltrim(text, characters="+"), lambda part: part.cast(pa.float64()), pa.float64())
    read = pc.if_else(pc.is_finite(read), read, pa.scalar(None, pa.float64()))
    if number.true_count == len(values) - values.null_count:
        return read, pa.repeat(pa.scalar(False), len(values))
    return read, pc.fill_null(pc.match_substring_regex(values, _NOT_A_NUMBER), False)


def text_to_bool(values: pa.Array) -> pa.Array:
    """Read true, false, 1 and 0, in any case; null where there is none of them."""
    lower = pc.utf8_lower(values)
    index = pc.index_in(lower, value_set=pa.array(list(_BOOLS)))
    return pa.array(list(_BOOLS.values())).take(index)


def arrow_to_int64(values: pa.Array) -> pa.Array:
    """Cast Arrow numbers that are whole and fit; null where one is not."""
    return cast_or_null(values, lambda part: part.cast(pa.int64(), safe=True), pa.int64())


def arrow_to_float64(values: pa.Array) -> pa.Array:
    """Cast Arrow numbers; null where one is infinite, or an integer that a float cannot hold."""
    if pa.types.is_integer(values.type):
        return cast_or_null(values, lambda part: part.cast(pa.float64(), safe=True), pa.float64())
    read = cast_or_null(values, lambda part: part.cast(pa.float64()), pa.float64())
    return pc.if_else(pc.is_finite(read), read, pa.scalar(None, pa.float64()))
