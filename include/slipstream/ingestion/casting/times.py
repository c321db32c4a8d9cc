"""Text and Arrow times to ``timestamp[us, UTC]`` and ``date32``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from slipstream.ingestion.casting.bisection import cast_or_null

UTC_TIME = pa.timestamp("us", "UTC")
_NAIVE = pa.timestamp("us")
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?"
_LOCAL = _ISO + "$"
_WITH_OFFSET = _ISO + r" ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def text_to_timestamp(values: pa.Array, *, timezone: str, format_: str | None) -> tuple[pa.Array, pa.Array]:
    """Read times; return them (null where there is none), and for each local time that names no one moment why.

    ISO 8601 with an offset, or without one in ``timezone``; with ``format_``, as Python's strptime reads it.
    """
    if format_ is not None:
        return _by_format(values, timezone, format_)
    local = pc.fill_null(pc.match_substring_regex(values, _LOCAL), False)
    nothing = pa.scalar(None, pa.string())
    offset = pc.fill_null(pc.match_substring_regex(values, _WITH_OFFSET), False) if not _all(local) else None
    naive, reasons = localise(_read(pc.if_else(local, values, nothing), _NAIVE), timezone)
    if offset is None:
        return naive, reasons
    text = pc.replace_substring(pc.utf8_upper(pc.if_else(offset, values, nothing)), " +", "+")
    text = pc.replace_substring_regex(text, r" (-[0-9:]+|Z)$", r"\1")
    return pc.coalesce(_read(text, UTC_TIME), naive), reasons


def _all(mask: pa.Array) -> bool:
    return bool(mask.true_count == len(mask))


def _read(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return cast_or_null(values, lambda part: part.cast(kind), kind)


def _by_format(values: pa.Array, timezone: str, format_: str) -> tuple[pa.Array, pa.Array]:
    naive, aware = [], []
    distinct = values.dictionary_encode()
    for text in distinct.dictionary.to_pylist():
        moment = _strptime(text, format_)
        has_zone = moment is not None and moment.tzinfo is not None
        aware.append(moment.astimezone(UTC) if moment is not None and has_zone else None)
        naive.append(None if has_zone else moment)
    read, reasons = localise(pa.array(naive, _NAIVE), timezone)
    return pc.coalesce(read, pa.array(aware, UTC_TIME)).take(distinct.indices), reasons.take(distinct.indices)


def _strptime(text: str, format_: str) -> datetime | None:
    if not text.isascii():
        return None
    try:
        return datetime.strptime(text, format_)
    except (ValueError, OverflowError):
        return None


def localise(naive: pa.Array, timezone: str) -> tuple[pa.Array, pa.Array]:
    """Take naive times to be local in ``timezone``; null, with the reason, where the clock skips or repeats one."""
    if timezone == "UTC":
        return naive.cast(UTC_TIME), pa.nulls(len(naive), pa.string())
    early = pc.assume_timezone(naive, timezone, ambiguous="earliest", nonexistent="earliest")
    late = pc.assume_timezone(naive, timezone, ambiguous="latest", nonexistent="latest")
    clear = pc.equal(early, late)
    if pc.all(clear).as_py() is not False:
        return early.cast(UTC_TIME), pa.nulls(len(naive), pa.string())
    exists = pc.equal(pc.local_timestamp(early), naive)
    twice = f"In {timezone} this local time occurs twice, as the clock goes back; send it with its offset."
    never = f"In {timezone} this local time does not exist, as the clock goes forward; send it with its offset."
    reasons = pc.if_else(clear, pa.scalar(None, pa.string()), pc.if_else(exists, twice, never))
    return pc.if_else(clear, early, pa.scalar(None, early.type)).cast(UTC_TIME), reasons


def text_to_date(values: pa.Array, *, format_: str | None) -> pa.Array:
    """Read days, ``2013-01-31`` or by ``format_``; null where there is none."""
    if format_ is None:
        text = pc.if_else(pc.match_substring_regex(values, _DAY), values, pa.scalar(None, pa.string()))
        return _read(text, pa.date32())
    distinct = values.dictionary_encode()
    days: list[date | None] = []
    for text in distinct.dictionary.to_pylist():
        moment = _strptime(text, format_)
        days.append(moment.date() if moment is not None else None)
    return pa.array(days, pa.date32()).take(distinct.indices)


def arrow_to_timestamp(values: pa.Array, *, timezone: str) -> tuple[pa.Array, pa.Array]:
    """Cast Arrow timestamps of any unit and zone; null where one is finer than a microsecond."""
    kind = values.type
    cast: Callable[[Any], Any] = lambda part: part.cast(pa.timestamp("us", kind.tz))  # noqa: E731
    micros = cast_or_null(values, cast, pa.timestamp("us", kind.tz))
    if kind.tz is None:
        return localise(micros, timezone)
    return micros.cast(UTC_TIME), pa.nulls(len(values), pa.string())


def within_calendar(times: pa.Array) -> pa.Array:
    """Return the times with null where the year is not one of 1 to 9999."""
    inside = pc.and_(
        pc.greater_equal(times, pa.scalar(_FIRST, UTC_TIME)), pc.less_equal(times, pa.scalar(_LAST, UTC_TIME))
    )
    return pc.if_else(inside, times, pa.scalar(None, UTC_TIME))
