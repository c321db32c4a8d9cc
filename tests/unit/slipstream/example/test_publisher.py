from __future__ import annotations

import gzip
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from slipstream.errors import NotFoundError
from slipstream.example import publish
from slipstream.settings import Settings

NEW_YEAR = date(2013, 1, 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", landing=str(tmp_path / "landing folder"))


def contents(settings: Settings) -> dict[str, bytes]:
    root = Path(settings.landing)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_day_comes_with_its_plan_and_the_plan_of_the_next(settings: Settings) -> None:
    published = publish(NEW_YEAR, NEW_YEAR, settings=settings)

    assert sorted(contents(settings)) == [
        "movements/2013-01-01.jsonl.gz",
        "planes/2012.parquet",
        "schedules/2012-12-31.csv.gz",
        "schedules/2013-01-01.csv.gz",
        "weather/2013-01-01.csv",
    ]
    assert published.rows == {"schedules": 842 + 943, "movements": 498, "weather": 52, "planes": 3322}
    assert (published.files, published.written, published.unchanged) == (5, 5, 0)
    assert published.as_dict()["landing"] == settings.landing


def test_publishing_again_touches_nothing(settings: Settings) -> None:
    publish(NEW_YEAR, date(2013, 1, 3), settings=settings)
    before = {path: path.stat().st_mtime_ns for path in Path(settings.landing).rglob("*")}

    again = publish(NEW_YEAR, date(2013, 1, 3), settings=settings)

    assert (again.written, again.unchanged) == (0, again.files)
    assert {path: path.stat().st_mtime_ns for path in Path(settings.landing).rglob("*")} == before


def test_a_damaged_file_is_put_right(settings: Settings) -> None:
    publish(NEW_YEAR, NEW_YEAR, settings=settings)
    right = contents(settings)
    damaged = Path(settings.landing) / "movements/2013-01-01.jsonl.gz"
    damaged.write_bytes(bytes(len(damaged.read_bytes())))

    again = publish(NEW_YEAR, NEW_YEAR, settings=settings)

    assert again.written == 1
    assert contents(settings) == right


def test_one_long_publication_and_several_short_ones_give_the_same_bytes(settings: Settings, tmp_path: Path) -> None:
    other = Settings(home=tmp_path / "home", landing=str(tmp_path / "other"))

    publish(NEW_YEAR, date(2013, 1, 3), settings=settings)
    for day in (3, 1, 2):
        publish(date(2013, 1, day), date(2013, 1, day), settings=other)

    assert contents(other) == contents(settings)


def test_two_publishers_at_once_leave_whole_files_only(settings: Settings) -> None:
    with ThreadPoolExecutor(4) as publishers:
        started = [publishers.submit(publish, NEW_YEAR, date(2013, 1, 4), settings=settings) for _ in range(4)]
    assert [publisher.result().files for publisher in started] == [14, 14, 14, 14]

    assert publish(NEW_YEAR, date(2013, 1, 4), settings=settings).written == 0
    assert not [name for name in contents(settings) if name.endswith(".part")]


@pytest.mark.parametrize("day", [date(2013, 3, 10), date(2013, 11, 3)])
def test_every_row_became_known_within_the_interval_of_its_batch(settings: Settings, day: date) -> None:
    publish(day, day, settings=settings)
    files = contents(settings)

    known = {
        "movements": pd.read_json(
            io.BytesIO(gzip.decompress(files[f"movements/{day}.jsonl.gz"])), lines=True
        ).landed_at,
        "weather": pd.read_csv(io.BytesIO(files[f"weather/{day}.csv"])).received_at,
        "schedules": pd.read_csv(io.BytesIO(gzip.decompress(files[f"schedules/{day}.csv.gz"]))).published_at,
    }
    for times in known.values():
        assert len(times) > 50
        assert set(pd.to_datetime(times, utc=True).dt.date) == {day}


def test_a_cancelled_flight_is_planned_and_never_moves(settings: Settings) -> None:
    publish(date(2013, 1, 1), date(2013, 1, 3), settings=settings)
    files = contents(settings)

    planned = set(pd.read_csv(io.BytesIO(gzip.decompress(files["schedules/2012-12-31.csv.gz"]))).flight_id)
    moved = {
        json.loads(line)["flight_id"]
        for name in files
        if name.startswith("movements/")
        for line in gzip.decompress(files[name]).splitlines()
    }
    assert len(planned) == 842
    assert len(planned - moved) == 5  # four were cancelled, one was diverted and never arrived


def test_the_wrong_reading_of_12_february_is_published_as_it_came(settings: Settings) -> None:
    publish(date(2013, 2, 12), date(2013, 2, 12), settings=settings, sources=["weather"])

    weather = pd.read_csv(io.BytesIO(contents(settings)["weather/2013-02-12.csv"]))
    assert weather.wind_speed.max() > 1000


def test_the_last_day_of_the_year_has_a_header_and_no_weather(settings: Settings) -> None:
    published = publish(date(2013, 12, 31), date(2014, 1, 1), settings=settings)

    assert sorted(contents(settings)) == [
        "movements/2013-12-31.jsonl.gz",
        "movements/2014-01-01.jsonl.gz",
        "planes/2012.parquet",
        "schedules/2013-12-30.csv.gz",
        "weather/2013-12-31.csv",
    ]
    assert published.rows["weather"] == 0
    assert contents(settings)["weather/2013-12-31.csv"].startswith(b"origin,observed_at,")


def test_progress_counts_every_file_once(settings: Settings) -> None:
    seen: list[tuple[str, int, int]] = []

    publish(
        NEW_YEAR, NEW_YEAR, settings=settings, sources=["planes", "weather"], progress=lambda *step: seen.append(step)
    )

    assert seen == [("planes/2012.parquet", 1, 2), ("weather/2013-01-01.csv", 2, 2)]


def test_the_register_is_published_with_its_hobby_aircraft(settings: Settings) -> None:
    publish(NEW_YEAR, NEW_YEAR, settings=settings, sources=["planes"])

    register = pq.read_table(Path(settings.landing) / "planes/2012.parquet").to_pandas()
    assert register.set_index("tailnum").loc["N201AA", "model"] == "150"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2012, 12, 31), date(2013, 1, 2)),
        (date(2013, 1, 2), date(2013, 1, 1)),
        (date(2013, 12, 1), date(2014, 1, 2)),
        (NEW_YEAR, date.max),
    ],
)
def test_dates_outside_the_example_are_refused(settings: Settings, start: date, end: date) -> None:
    with pytest.raises(NotFoundError, match="from 2013-01-01 to 2014-01-01"):
        publish(start, end, settings=settings)
    assert not Path(settings.landing).exists()


def test_an_unknown_source_is_refused_by_name(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="found trains"):
        publish(NEW_YEAR, NEW_YEAR, settings=settings, sources=["weather", "trains"])
