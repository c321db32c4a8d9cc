"""Half-open intervals of time, always UTC, and the cron schedules that cut time into them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from croniter import croniter

from slipstream.errors import DefinitionError

_DURATION = re.compile(r"(\d+)\s*(us|ms|s|m|h|d|w)")
_UNITS = {"us": "microseconds", "ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def utc(value: str | date | datetime) -> datetime:
    """Return an aware UTC datetime; a naive value or a bare date is taken to be UTC already."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as error:
            message = f"Wanted a date or time such as 2013-01-31 or 2013-01-31T06:00Z, found {value!r}."
            raise DefinitionError(message) from error
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def iso(value: datetime) -> str:
    """Return the one spelling of a UTC time that keys, digests and messages use: ``2013-01-31T06:00:00Z``."""
    value = value.astimezone(UTC)
    timespec = "microseconds" if value.microsecond else "seconds"
    return value.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def duration(value: str | int | float | timedelta) -> timedelta:
    """Read ``36h``, ``14d``, ``1d12h``, a timedelta, or a number of seconds."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    total, rest = timedelta(), str(value).strip().lower()
    for amount, unit in _DURATION.findall(rest):
        total += timedelta(weeks=int(amount)) if unit == "w" else timedelta(**{_UNITS[unit]: int(amount)})
    if not rest or _DURATION.sub("", rest).strip():
        message = f"Wanted a duration such as 36h, 14d or 1d12h, found {value!r}."
        raise ValueError(message)
    return total


@dataclass(frozen=True, order=True)
class Interval:
    """A half-open stretch of time ``[start, end)`` in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", utc(self.start))
        object.__setattr__(self, "end", utc(self.end))
        if self.end <= self.start:
            message = f"An interval ends after it starts; found {iso(self.start)} to {iso(self.end)}."
            raise DefinitionError(message)

    def __str__(self) -> str:
        return f"{iso(self.start)}/{iso(self.end)}"

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def overlaps(self, other: Interval) -> bool:
        return self.start < other.end and other.start < self.end

    def back(self, lookback: timedelta) -> Interval:
        """Return this interval with its start moved back by ``lookback``."""
        return Interval(self.start - lookback, self.end)

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read ``START/END`` as ISO 8601, or one date, which is its UTC day."""
        start, slash, end = text.partition("/")
        if slash:
            return cls(utc(start), utc(end))
        if len(text.strip()) != len("2013-01-31"):
            message = f"Wanted an interval such as 2013-01-31 or 2013-01-31T06:00/2013-01-31T12:00, found {text!r}."
            raise DefinitionError(message)
        return cls(utc(start), utc(start) + timedelta(days=1))


@dataclass(frozen=True)
class Schedule:
    """A cron expression in UTC, seen as the intervals between its ticks."""

    cron: str

    def __post_init__(self) -> None:
        if not _is_cron(self.cron):
            message = f"Wanted a cron expression of five fields such as '0 0 * * *', found {self.cron!r}."
            raise DefinitionError(message)

    def next(self, moment: datetime) -> datetime:
        """Return the first tick after ``moment``."""
        return _tick_after(self.cron, utc(moment))

    def floor(self, moment: datetime) -> datetime:
        """Return the last tick at or before ``moment``."""
        return _tick_until(self.cron, utc(moment))

    def interval_at(self, moment: datetime) -> Interval:
        """Return the interval that holds ``moment``."""
        return _interval_from(self.cron, self.floor(moment))

    def intervals(self, start: datetime, end: datetime) -> Iterator[Interval]:
        """Yield, in order, every interval that lies wholly or partly in ``[start, end)``."""
        current, end = self.interval_at(start), utc(end)
        while current.start < end:
            yield current
            current = _interval_from(self.cron, current.end)


# Reading an expression takes a millisecond and looking for a tick a fifth of one; a lake's are the same few for ever.
@functools.lru_cache(maxsize=1_024)
def _is_cron(cron: str) -> bool:
    return len(cron.split()) == 5 and bool(croniter.is_valid(cron))


@functools.lru_cache(maxsize=65_536)
def _tick_after(cron: str, moment: datetime) -> datetime:
    return utc(croniter(cron, moment).get_next(datetime))


@functools.lru_cache(maxsize=65_536)
def _tick_until(cron: str, moment: datetime) -> datetime:
    return utc(croniter(cron, moment + timedelta(microseconds=1)).get_prev(datetime))


@functools.lru_cache(maxsize=65_536)
def _interval_from(cron: str, tick: datetime) -> Interval:
    return Interval(tick, _tick_after(cron, tick))
