"""Vectorised 128-bit hashes of Arrow values, in two lanes of 64 bits each.

Equal values of one logical type hash alike whatever their memory looks like (string or string_view, dictionary
encoded or not, chunked or not, sliced or not). They find accidents, not attackers.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Lane = npt.NDArray[np.uint64]
Lanes = tuple[Lane, Lane]
Seeds = tuple[np.uint64, np.uint64]

LONG_VALUE = 512  # bytes; longer strings are hashed one by one, because a vector step handles eight bytes of each

_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NULLS: Seeds = (np.uint64(0x6E756C6C6E756C6C), np.uint64(0x4C4C554E4C4C554E))
_NAN = np.float64("nan").view(np.uint64)


def mix(values: Lane) -> Lane:
    """Scramble 64-bit words in place, one to one, as splitmix64 does (Steele, Lea and Flood 2014, figure 15)."""
    scratch = np.empty_like(values)
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        np.right_shift(values, shift, out=scratch)
        np.bitwise_xor(values, scratch, out=values)
        if factor is not None:
            np.multiply(values, factor, out=values)
    return values


@functools.lru_cache(maxsize=4096)
def seeds(name: str) -> Seeds:
    """Return the two seeds that belong to a name."""
    first, second = np.frombuffer(hashlib.blake2b(name.encode(), digest_size=16).digest(), dtype="<u8")
    return first, second


def value_lanes(values: pa.Array, seed: Seeds) -> Lanes:
    """Hash each value of an array; null, NaN, "" and an empty list are four different values."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
        kind = values.type
    if pa.types.is_map(kind):
        entry = pa.struct([pa.field("key", kind.key_type, nullable=False), pa.field("value", kind.item_type)])
        values = values.cast(pa.list_(entry))
        kind = values.type
    if pa.types.is_null(kind):
        return _nulled(len(values), seed)
    if pa.types.is_struct(kind):
        lanes = _struct_lanes(values, seed)
    elif _is_list(kind):
        lanes = _list_lanes(values, seed)
    elif _is_bytes(kind):
        lanes = _bytes_lanes(values, seed)
    else:
        lanes = _word_lanes(_words(values), seed)
    return _mask_nulls(values, lanes, seed)


def _is_list(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    views = (pa.types.is_list_view, pa.types.is_large_list_view)
    return any(test(kind) for test in (*tests, *views))


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_fixed_size_binary)
    more = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(test(kind) for test in (*tests, *more))


def _nulled(length: int, seed: Seeds) -> Lanes:
    first, second = (mix(np.array([null ^ part], dtype=np.uint64)) for null, part in zip(_NULLS, seed, strict=True))
    return np.repeat(first, length), np.repeat(second, length)


def _mask_nulls(values: pa.Array, lanes: Lanes, seed: Seeds) -> Lanes:
    if values.null_count == 0:
        return lanes
    absent = values.is_null().to_numpy(zero_copy_only=False)
    for lane, null in zip(lanes, _nulled(1, seed), strict=True):
        lane[absent] = null[0]
    return lanes


def _word_lanes(words: list[Lane], seed: Seeds) -> Lanes:
    lanes = []
    for part in seed:
        lane = mix(words[0] ^ part)
        for word in words[1:]:
            lane = mix(lane ^ (word + _GOLDEN))
        lanes.append(lane)
    return lanes[0], lanes[1]


def _words(values: pa.Array) -> list[Lane]:
    """Return fixed-width values as 64-bit words; whatever stands under a null does not matter."""
    kind = values.type
    if pa.types.is_floating(kind):
        floats = pc.fill_null(values.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        words = floats.view(np.uint64)
        return [np.where(np.isnan(floats), _NAN, words)]
    if pa.types.is_decimal(kind):
        width = kind.byte_width
        raw = np.frombuffer(values.buffers()[1], dtype=np.uint8)[
            values.offset * width : (values.offset + len(values)) * width
        ]
        integers = raw.reshape(len(values), width)
        return [np.ascontiguousarray(integers[:, i : i + 8]).view("<u8")[:, 0].copy() for i in range(0, width, 8)]
    if pa.types.is_boolean(kind):
        numbers = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.uint64)
        return [numbers]
    if pa.types.is_uint64(kind):
        return [pc.fill_null(values, 0).to_numpy(zero_copy_only=False)]
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        values = values.cast(pa.int32())
    integers = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return [integers.view(np.uint64)]


def _bytes_lanes(values: pa.Array, seed: Seeds) -> Lanes:
    values = values.cast(pa.large_binary())
    count = len(values)
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int64, count=count + 1, offset=values.offset * 8)
    begins, lengths = offsets[:-1], np.diff(offsets)
    if values.null_count:
        lengths = np.where(values.is_null().to_numpy(zero_copy_only=False), 0, lengths)
    data = values.buffers()[2]
    first, second = _word_lanes([lengths.view(np.uint64)], seed)
    if data is None or count == 0 or not lengths.any():
        return first, second
    _absorb(np.frombuffer(data, dtype=np.uint8), begins, lengths, (first, second))
    for row in np.flatnonzero(lengths > LONG_VALUE):
        content = memoryview(data)[begins[row] : begins[row] + lengths[row]]
        long = np.frombuffer(hashlib.blake2b(content, digest_size=16).digest(), dtype="<u8")
        first[row], second[row] = mix(first[row : row + 1] ^ long[0])[0], mix(second[row : row + 1] ^ long[1])[0]
    return first, second


def _absorb(data: npt.NDArray[np.uint8], begins: Any, lengths: Any, lanes: Lanes) -> None:
    """Mix the bytes of every short value into its lanes, eight at a time."""
    low = int(begins[0])
    window = np.concatenate([data[low : int(begins[-1] + lengths[-1])], np.zeros(8, dtype=np.uint8)])
    words = np.ndarray((len(window) - 7,), dtype="<u8", buffer=window, strides=(1,))
    short = lengths <= LONG_VALUE
    longest = int(lengths[short].max(initial=0))
    for step in range(0, longest, 8):
        active = short & (lengths > step)
        rows = slice(None) if active.all() else np.flatnonzero(active)
        taken = words[begins[rows] - low + step]
        surplus = np.maximum(8 - (lengths[rows] - step), 0).astype(np.uint64) * np.uint64(8)
        taken &= np.uint64(0xFFFFFFFFFFFFFFFF) >> surplus
        for lane in lanes:
            lane[rows] = mix(lane[rows] ^ taken)


def _struct_lanes(values: pa.Array, seed: Seeds) -> Lanes:
    totals = (np.zeros(len(values), dtype=np.uint64), np.zeros(len(values), dtype=np.uint64))
    for index, field in enumerate(values.type):
        for total, lane in zip(totals, value_lanes(values.field(index), seeds(field.name)), strict=True):
            np.add(total, lane, out=total)
    return _word_lanes([totals[0]], seed)[0], _word_lanes([totals[1]], seed)[1]


def _list_lanes(values: pa.Array, seed: Seeds) -> Lanes:
    """Hash lists by their length and by each item with its place in its list."""
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    items = pc.list_flatten(values)
    begins = np.cumsum(lengths) - lengths
    places = (np.arange(len(items), dtype=np.int64) - np.repeat(begins, lengths)).view(np.uint64)
    totals = []
    for lane in value_lanes(items, seeds("item")):
        placed = mix(lane + places * _GOLDEN)
        summed = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(placed, dtype=np.uint64)])
        totals.append(summed[begins + lengths] - summed[begins])
    first, second = (_word_lanes([lengths.view(np.uint64), total], seed) for total in totals)
    return first[0], second[1]
