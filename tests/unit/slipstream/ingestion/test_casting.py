"""Values cast exactly, or not at all."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream.definitions import Column
from slipstream.ingestion.casting import cast_column


def cast(values, **column):
    array = values if isinstance(values, pa.Array) else pa.array(values)
    found = cast_column(array, "x", Column(**column))
    assert found.values.type == Column(**column).arrow
    assert all(not found.values[row].is_valid for row in found.problems)
    return found.values.to_pylist(), sorted(found.problems)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.integers(-(2**64), 2**64), st.integers(-10, 10)), min_size=1))
def test_every_integer_is_read_as_it_is_or_refused(numbers):
    found, refused = cast([str(number) for number in numbers], type="int64")
    fits = [-(2**63) <= number < 2**63 for number in numbers]
    assert found == [number if fit else None for number, fit in zip(numbers, fits, strict=True)]
    assert refused == [row for row, fit in enumerate(fits) if not fit]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_finite_float_is_read_back_to_the_last_bit(numbers):
    found, refused = cast([repr(number) for number in numbers], type="float64")
    assert [math.copysign(1, n) for n in found] == [math.copysign(1, n) for n in numbers]
    assert found == numbers
    assert not refused


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="0123456789.eE+-xX _,ａ１nianf", max_size=8), min_size=1))
def test_what_python_reads_as_another_number_is_never_accepted_as_an_integer(texts):
    found, _ = cast(texts, type="int64")
    for text, number in zip(texts, found, strict=True):
        if number is not None:
            assert Decimal(text.strip()) == number


@settings(max_examples=50, deadline=None)
@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), min_size=1), st.integers(-14 * 60, 14 * 60))
def test_times_with_an_offset_are_that_moment(moments, minutes):
    zone = timezone(timedelta(minutes=minutes))
    aware = [moment.replace(tzinfo=zone) for moment in moments]
    found, refused = cast([moment.isoformat() for moment in aware], type="timestamp", timezone="Asia/Tokyo")
    assert found == aware
    assert not refused


@settings(max_examples=50, deadline=None)
@given(
    st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_a_local_time_is_its_one_moment_or_refused(moment, zone):
    near = [moment + timedelta(minutes=30 * step) for step in range(0, 48, 3)]
    found, refused = cast([each.isoformat(sep=" ") for each in near], type="timestamp", timezone=zone)
    for row, local in enumerate(near):
        first, second = (local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
        real = first.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
        if first == second and real:
            assert found[row] == first
        else:
            assert row in refused


@pytest.mark.parametrize(
    ("text", "zone", "reason"),
    [
        ("2013-03-10T02:30", "America/New_York", "does not exist"),
        ("2013-11-03T01:59:59.999999", "America/New_York", "occurs twice"),
        ("2013-03-31 02:00", "Europe/Berlin", "does not exist"),
        ("2013-01-31T06:00:00.1234567Z", "UTC", "no finer than a microsecond"),
        ("2013-02-29", "UTC", "wanted a time"),
        ("31.01.2013", "UTC", "wanted a time"),
        ("2013-01-31T24:00", "UTC", "wanted a time"),
        ("1359612000", "UTC", "wanted a time"),
        ("２013-01-31", "UTC", "wanted a time"),
    ],
)
def test_a_time_that_names_no_one_moment_is_refused_with_its_reason(text, zone, reason):
    found = cast_column(pa.array([text]), "x", Column(type="timestamp", timezone=zone))
    assert reason in found.problems[0]


@pytest.mark.parametrize("text", ["2013-03-10T03:00", "2013-03-10T01:59:59", "2013-11-03T02:00"])
def test_the_moments_beside_a_jump_of_the_clock_are_clear(text):
    found, refused = cast([text], type="timestamp", timezone="America/New_York")
    assert found[0] == datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York"))
    assert not refused


def test_a_format_of_its_own_is_read_as_python_does():
    found, refused = cast(
        ["31/01/2013 18h", "1/2/13 18h", "31/01/2013 18h", None], type="timestamp", format="%d/%m/%Y %Hh"
    )
    assert found == [datetime(2013, 1, 31, 18, tzinfo=UTC), None, datetime(2013, 1, 31, 18, tzinfo=UTC), None]
    assert refused == [1]
    assert cast(["31/01/2013 18 +0100"], type="timestamp", format="%d/%m/%Y %H %z")[0] == [
        datetime(2013, 1, 31, 17, tzinfo=UTC)
    ]
    assert cast(["31/01/2013", "x"], type="date", format="%d/%m/%Y") == ([date(2013, 1, 31), None], [1])


def test_only_nothing_at_all_means_null():
    assert cast(["", " ", "NA", "NULL", "null"], type="float64") == ([None] * 5, [2, 3, 4])
    assert cast(["", " ", "NA"], type="string") == ([None, " ", "NA"], [])
    assert cast(["true", "FALSE", "1", "0", "yes", ""], type="bool") == ([True, False, True, False, None, None], [4])
    assert cast(["2013-01-31", "2013-1-31", "2013-01-31T00:00"], type="date") == (
        [date(2013, 1, 31), None, None],
        [1, 2],
    )


def test_arrow_values_are_cast_only_where_nothing_is_lost():
    assert cast([1.0, 2.5, None, math.nan, math.inf], type="int64") == ([1, None, None, None, None], [1, 4])
    assert cast([2**53, 2**53 + 1], type="float64") == ([2.0**53, None], [1])
    assert cast([Decimal("1.50"), Decimal("2.00")], type="int64") == ([None, 2], [0])
    assert cast([1.5, math.nan, -math.inf], type="float64") == ([1.5, None, None], [2])
    assert cast(pa.array(["a", "b", "a"]).dictionary_encode(), type="string") == (["a", "b", "a"], [])
    nanos = pa.array([1_000, 1_001], pa.timestamp("ns", "UTC"))
    assert cast(nanos, type="timestamp")[1] == [1]
    naive = pa.array([datetime(2013, 3, 10, 2, 30), datetime(2013, 7, 1)], pa.timestamp("s"))
    found, refused = cast(naive, type="timestamp", timezone="America/New_York")
    assert found == [None, datetime(2013, 7, 1, 4, tzinfo=UTC)]
    assert refused == [0]
    assert cast(pa.nulls(2), type="timestamp") == ([None, None], [])
    assert cast(pa.array([], pa.string()), type="int64") == ([], [])


def test_a_column_of_nothing_but_faults_is_read_in_reasonable_time():
    found, refused = cast(["2013-02-30"] * 5_000, type="date")
    assert len(refused) == 5_000
    assert found[0] is None
