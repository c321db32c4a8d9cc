"""Publishes the worked example's batches into the landing folder or bucket, as they would have arrived day by day.

=========== ===================== ========================== ==============================================
source      batch of interval     file                       holds
=========== ===================== ========================== ==============================================
schedules   the UTC day before D  ``<day before>.csv.gz``    the flights of New York's local day D, planned
                                                             at noon UTC of the day before
movements   UTC day D             ``<D>.jsonl.gz``           the flights that reached their gate in D
weather     UTC day D             ``<D>.csv``                the observations received in D
planes      the year 2012         ``2012.parquet``           the register of aircraft
=========== ===================== ========================== ==============================================

Nothing is planted: gaps, diverted flights, wrong aircraft and a wind of 1,048 miles an hour are the data's own.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from slipstream.errors import NotFoundError
from slipstream.example import flights as data
from slipstream.example.landing import Landing

if TYPE_CHECKING:
    import pandas as pd

    from slipstream.settings import Settings

SOURCES = ("schedules", "movements", "weather", "planes")
FIRST, LAST = date(2013, 1, 1), date(2014, 1, 1)
ONE_DAY = timedelta(days=1)

SCHEDULE_COLUMNS = (
    *("flight_id", "carrier", "flight", "tailnum", "origin", "dest"),
    *("scheduled_departure", "scheduled_arrival", "distance", "published_at"),
)
MOVEMENT_COLUMNS = (
    *("flight_id", "carrier", "origin", "dest", "departed_at", "landed_at"),
    *("dep_delay", "arr_delay", "air_time"),
)
WEATHER_COLUMNS = (
    *("origin", "observed_at", "received_at", "temp", "dewp", "humid"),
    *("wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
)
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Batch = tuple[str, str, bytes, int]  # source, file under the landing root, its content, its rows


@dataclass(frozen=True)
class Published:
    """What a publication came to: files wanted, written anew, found unchanged; rows by source."""

    landing: str
    files: int
    written: int
    unchanged: int
    bytes: int
    rows: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def publish(
    start: date,
    end: date,
    *,
    settings: Settings,
    sources: Collection[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Published:
    """Write all that is known at the end of UTC day ``end``, from UTC day ``start`` on, both included.

    The plan of day ``start`` itself, sent on the day before, is part of it, and so is the register of aircraft; the
    plan sent on ``end`` is that of the day after. A file that has the right content already is not touched, and none
    is ever seen half written. ``progress`` is called after each file with its path, the files done and their number.

    Raises:
        NotFoundError: the dates lie outside the example's year, or a source is not one of the example's.
    """
    chosen = _check(start, end, sources)
    landing = Landing(settings)
    total, written, size = sum(1 for _ in _calendar(start, end, chosen)), 0, 0
    rows = dict.fromkeys(chosen, 0)
    for done, (source, path, content, count) in enumerate(_batches(start, end, chosen), start=1):
        written += landing.put(path, content)
        size += len(content)
        rows[source] += count
        if progress:
            progress(path, done, total)
    return Published(landing.root, total, written, total - written, size, rows)


def _check(start: date, end: date, sources: Collection[str] | None) -> tuple[str, ...]:
    if not FIRST <= start <= end <= LAST:
        message = (
            f"The example can be published from {FIRST} to {LAST}, the first day not after the last; "
            f"found {start} to {end}."
        )
        raise NotFoundError(message)
    unknown = sorted(set(sources or ()) - set(SOURCES))
    if unknown:
        message = f"The example's sources are {', '.join(SOURCES)}; found {', '.join(unknown)}."
        raise NotFoundError(message)
    return tuple(source for source in SOURCES if sources is None or source in sources)


def _calendar(start: date, end: date, sources: tuple[str, ...]) -> Iterator[tuple[str, date]]:
    """Yield each batch as its source and the first day of its interval, in the order of time."""
    if "planes" in sources:
        yield "planes", date(2012, 1, 1)
    day = start - ONE_DAY
    while day <= end:
        if "schedules" in sources and day + ONE_DAY < LAST:
            yield "schedules", day
        if "movements" in sources and day >= start:
            yield "movements", day
        if "weather" in sources and day >= start and day < LAST:
            yield "weather", day
        day += ONE_DAY


def _batches(start: date, end: date, sources: tuple[str, ...]) -> Iterator[Batch]:
    plans = movements = observations = None
    for source, day in _calendar(start, end, sources):
        if source == "planes":
            frame = data.planes()
            yield source, f"planes/{day:%Y}.parquet", _parquet(frame), len(frame)
        elif source == "schedules":
            plans = plans or dict(iter(data.flights().groupby("day")))
            frame = plans[f"{day + ONE_DAY:%Y-%m-%d}"][list(SCHEDULE_COLUMNS)]
            yield source, f"schedules/{day:%Y-%m-%d}.csv.gz", _gzip(_csv(frame)), len(frame)
        elif source == "movements":
            movements = movements or _by_day(data.flights(), "landed_at")
            frame = movements[day].sort_values(["landed_at", "flight_id"])[list(MOVEMENT_COLUMNS)]
            yield source, f"movements/{day:%Y-%m-%d}.jsonl.gz", _gzip(_json_lines(frame)), len(frame)
        else:
            observations = observations or _by_day(data.weather(), "received_at")
            frame = observations.get(day, data.weather().head(0))[list(WEATHER_COLUMNS)]
            yield source, f"weather/{day:%Y-%m-%d}.csv", _csv(frame), len(frame)


def _by_day(frame: pd.DataFrame, column: str) -> dict[date, pd.DataFrame]:
    known = frame.dropna(subset=[column])
    return dict(iter(known.groupby(known[column].dt.date)))


def _as_sent(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with times spelt out in UTC."""
    frame = frame.copy()
    for column in frame.select_dtypes("datetimetz"):
        frame[column] = frame[column].dt.strftime(TIME_FORMAT)
    return frame


def _csv(frame: pd.DataFrame) -> bytes:
    return _as_sent(frame).to_csv(index=False, lineterminator="\n").encode()


def _json_lines(frame: pd.DataFrame) -> bytes:
    return _as_sent(frame).to_json(orient="records", lines=True).encode()


def _gzip(content: bytes) -> bytes:
    """Compress without the time of day, so that the same rows are the same bytes."""
    return gzip.compress(content, compresslevel=6, mtime=0)


def _parquet(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(), buffer)
    return buffer.getvalue()
