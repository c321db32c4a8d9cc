from __future__ import annotations

import importlib.util
import random
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipstream.errors import SchemaError
from slipstream.features import keys, pointintime
from slipstream.features.pointintime import (
    ViewRows,
    join_batch,
    point_in_time_join,
    point_in_time_join_stream,
    prepare,
)


def _beside(name: str) -> ModuleType:
    """Import a file of this folder: tests are no package, and pytest leaves sys.path alone."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


naive = _beside("naive")

TIME = pa.timestamp("us", tz="UTC")
NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def population(*rows: tuple[Any, ...], key: pa.DataType | None = None) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(len(rows)), pa.int64()),
            "origin": pa.array([row[0] for row in rows], key or pa.string()),
            "prediction_time": pa.array([row[1] for row in rows], TIME),
        }
    )


def weather(
    *rows: tuple[Any, ...],
    ttl: timedelta | None = None,
    key: pa.DataType | None = None,
    value: pa.DataType | None = None,
) -> ViewRows:
    """Rows of (origin, event_time, known_at, wind)."""
    table = pa.table(
        {
            "origin": pa.array([row[0] for row in rows], key or pa.string()),
            "event_time": pa.array([row[1] for row in rows], TIME),
            "known_at": pa.array([row[2] for row in rows], TIME),
            "wind": pa.array([row[3] for row in rows], value or pa.float64()),
        }
    )
    return ViewRows("weather", {"origin": "origin"}, table, {"weather__wind": "wind"}, ttl)


def winds(joined: pa.Table) -> list[Any]:
    return joined["weather__wind"].to_pylist()


def test_a_value_counts_from_the_microsecond_at_which_it_became_known() -> None:
    view = weather(("JFK", NOON - HOUR, NOON, 5.0))
    assert winds(point_in_time_join(population(("JFK", NOON - TICK), ("JFK", NOON), ("JFK", NOON + TICK)), [view])) == [
        None,
        5.0,
        5.0,
    ]


def test_a_late_correction_of_an_old_event_does_not_hide_a_newer_event() -> None:
    view = weather(
        ("JFK", NOON - 2 * HOUR, NOON - 2 * HOUR, 1.0),
        ("JFK", NOON - HOUR, NOON - HOUR, 2.0),
        ("JFK", NOON - 2 * HOUR, NOON, 9.0),
    )
    assert winds(point_in_time_join(population(("JFK", NOON + HOUR)), [view])) == [2.0]


def test_a_late_correction_of_the_newest_event_counts_once_it_is_known() -> None:
    view = weather(("JFK", NOON - HOUR, NOON - HOUR, 2.0), ("JFK", NOON - HOUR, NOON, 3.0))
    assert winds(point_in_time_join(population(("JFK", NOON - TICK), ("JFK", NOON)), [view])) == [2.0, 3.0]


def test_the_worked_example_of_the_documentation_holds() -> None:
    """docs/explanation/point-in-time.md; change both together."""

    def clock(text: str) -> datetime:
        return datetime.fromisoformat(f"2013-07-01T{text}:00+00:00")

    rows = [("08:00", "08:10", 5), ("09:00", "09:10", 7), ("08:00", "09:30", 6), ("10:00", "11:45", 20)]
    rows.append(("10:00", "12:15", 18))
    view = weather(*(("JFK", clock(event), clock(known), wind) for event, known, wind in rows), ttl=3 * HOUR)
    seen = {"08:05": None, "08:10": 5, "09:05": 5, "09:45": 7, "11:30": 7, "12:00": 20, "12:30": 18, "13:00": 18}
    seen["13:01"] = None
    flights = population(*(("JFK", clock(time)) for time in seen), ("LGA", clock("12:00")))
    assert winds(point_in_time_join(flights, [view])) == [*seen.values(), None]


def test_a_value_exactly_as_old_as_its_ttl_still_counts() -> None:
    view = weather(("JFK", NOON, NOON, 5.0), ttl=HOUR)
    assert winds(point_in_time_join(population(("JFK", NOON + HOUR), ("JFK", NOON + HOUR + TICK)), [view])) == [
        5.0,
        None,
    ]


def test_ttl_looks_at_the_last_event_not_at_when_it_became_known() -> None:
    view = weather(("JFK", NOON, NOON + 3 * HOUR, 5.0), ttl=2 * HOUR)
    assert winds(point_in_time_join(population(("JFK", NOON + 3 * HOUR)), [view])) == [None]


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta.max, None])
def test_the_shortest_and_the_longest_ttl_both_hold(ttl: timedelta | None) -> None:
    view = weather(("JFK", NOON, NOON, 5.0), ttl=ttl)
    far = datetime(9999, 1, 1, tzinfo=UTC)
    expected = None if ttl == timedelta(0) else 5.0
    assert winds(point_in_time_join(population(("JFK", NOON), ("JFK", far)), [view])) == [5.0, expected]


def test_a_null_key_matches_nothing_on_either_side() -> None:
    view = weather((None, NOON, NOON, 5.0), ("JFK", NOON, NOON, 6.0))
    assert winds(point_in_time_join(population((None, NOON), ("JFK", NOON)), [view])) == [None, 6.0]


def test_duplicate_population_rows_come_out_as_often_and_where_they_were() -> None:
    rows = population(("LGA", NOON), ("JFK", NOON), ("JFK", NOON), ("EWR", NOON), ("JFK", NOON))
    joined = point_in_time_join(rows, [weather(("JFK", NOON, NOON, 6.0))])
    assert joined["id"].to_pylist() == [0, 1, 2, 3, 4]
    assert winds(joined) == [None, 6.0, 6.0, None, 6.0]


def test_an_empty_view_gives_nulls_of_its_type() -> None:
    joined = point_in_time_join(population(("JFK", NOON)), [weather()])
    assert joined.schema.field("weather__wind").type == pa.float64()
    assert winds(joined) == [None]


def test_an_empty_population_gives_no_rows_but_all_columns() -> None:
    joined = point_in_time_join(population(), [weather(("JFK", NOON, NOON, 6.0))])
    assert joined.num_rows == 0
    assert joined.column_names == ["id", "origin", "prediction_time", "weather__wind"]


def test_a_view_without_keys_is_the_same_for_every_row() -> None:
    view = weather(("JFK", NOON, NOON, 6.0), ("LGA", NOON + HOUR, NOON + HOUR, 7.0))
    view = ViewRows("weather", {}, view.rows, view.features, None)
    assert winds(point_in_time_join(population(("JFK", NOON), (None, NOON + HOUR)), [view])) == [6.0, 7.0]


def test_several_views_may_meet_the_population_by_different_columns() -> None:
    flights = pa.table({"origin": ["JFK"], "dest": ["LAX"], "prediction_time": pa.array([NOON], TIME)})
    rows = weather(("JFK", NOON, NOON, 1.0), ("LAX", NOON, NOON, 2.0)).rows
    here = ViewRows("weather", {"origin": "origin"}, rows, {"here": "wind"}, None)
    there = ViewRows("weather", {"dest": "origin"}, rows, {"there": "wind"}, None)
    assert point_in_time_join(flights, [here, there]).drop_columns(["prediction_time"]).to_pylist() == [
        {"origin": "JFK", "dest": "LAX", "here": 1.0, "there": 2.0}
    ]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pa.int32(), pa.int64()),
        (pa.uint8(), pa.int16()),
        (pa.string(), pa.dictionary(pa.int8(), pa.string())),
        (pa.dictionary(pa.int32(), pa.large_string()), pa.string()),
        (pa.string_view(), pa.large_string()),
        (pa.date32(), pa.date64()),
    ],
)
def test_keys_of_one_kind_match_whatever_their_width(left: pa.DataType, right: pa.DataType) -> None:
    if pa.types.is_date(left):
        here, there = date(2013, 1, 1), date(2013, 1, 2)
    elif pa.types.is_integer(left):
        here, there = 7, 8
    else:
        here, there = "JFK", "LGA"
    view = weather((here, NOON, NOON, 1.0), (None, NOON, NOON, 2.0), key=right)
    rows = population((here, NOON), (there, NOON), (None, NOON), key=left)
    assert winds(point_in_time_join(rows, [view])) == [1.0, None, None]


@pytest.mark.parametrize(
    ("left", "right"), [(pa.int64(), pa.string()), (pa.string(), pa.int64()), (pa.float64(), pa.float64())]
)
def test_keys_that_cannot_match_are_refused_with_both_types_named(left: pa.DataType, right: pa.DataType) -> None:
    def value(kind: pa.DataType) -> Any:
        return "7" if pa.types.is_string(kind) else 7

    view = weather((value(right), NOON, NOON, 1.0), key=right)
    with pytest.raises(SchemaError, match=r"origin.*(int64|string|double)"):
        point_in_time_join(population((value(left), NOON), key=left), [view])


def test_a_column_of_nothing_but_nulls_matches_nothing_rather_than_failing() -> None:
    view = weather(("JFK", NOON, NOON, 1.0))
    assert winds(point_in_time_join(population((None, NOON), key=pa.null()), [view])) == [None]
    nothing = weather((None, NOON, NOON, 1.0), key=pa.null())
    assert winds(point_in_time_join(population(("JFK", NOON)), [nothing])) == [None]


def test_a_dictionary_with_more_values_than_its_index_type_can_add_to_is_read_right() -> None:
    names = [f"k{i}" for i in range(128)]
    column = pa.DictionaryArray.from_arrays(pa.array([127, None, 0], pa.int8()), pa.array(names))
    rows = pa.table({"origin": column, "prediction_time": pa.array([NOON] * 3, TIME)})
    view = weather(*((name, NOON, NOON, float(i)) for i, name in enumerate(names)))
    assert winds(point_in_time_join(rows, [view])) == [127.0, None, 0.0]


def test_keys_and_features_in_chunks_with_different_dictionaries_are_read_right() -> None:
    def part(*values: str | None) -> pa.Table:
        return pa.table(
            {
                "origin": pa.array(values).dictionary_encode(),
                "event_time": pa.array([NOON] * len(values), TIME),
                "known_at": pa.array([NOON] * len(values), TIME),
                "wind": pa.array([None if v is None else v.lower() for v in values]).dictionary_encode(),
            }
        )

    rows = pa.concat_tables([part("JFK", "LGA"), part("EWR", "BOS", None)])
    view = ViewRows("weather", {"origin": "origin"}, rows, {"weather__wind": "wind"}, None)
    flights = pa.concat_tables(
        [
            population((name, NOON), (other, NOON), key=pa.dictionary(pa.int32(), pa.string()))
            for name, other in [("BOS", "EWR"), ("JFK", None)]
        ]
    )
    assert winds(point_in_time_join(flights, [view])) == ["bos", "ewr", "jfk", None]


def test_extreme_integers_are_keys_like_any_other() -> None:
    lowest, highest = -(2**63), 2**63 - 1
    view = weather((lowest, NOON, NOON, 1.0), (highest, NOON, NOON, 2.0), (0, NOON, NOON, 3.0), key=pa.int64())
    rows = population((highest, NOON), (lowest, NOON), (0, NOON), (1, NOON), key=pa.int64())
    assert winds(point_in_time_join(rows, [view])) == [2.0, 1.0, 3.0, None]
    near = weather((0, NOON, NOON, 1.0), (1, NOON, NOON, 2.0), key=pa.int64())
    assert winds(point_in_time_join(rows, [near])) == [None, None, 1.0, 2.0]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [2**62 + 1, -(2**53) - 1]),
        (pa.uint64(), [2**64 - 1, 1]),
        (pa.decimal128(38, 10), [Decimal("1234567890123456789.0123456789"), Decimal("0E-10")]),
        (pa.string(), ["gusty", ""]),
        (pa.bool_(), [True, False]),
        (TIME, [NOON, NOON + TICK]),
        (pa.date32(), [date(2013, 3, 10), date(1, 1, 1)]),
        (pa.list_(pa.int32()), [[1, 2], []]),
        (pa.struct({"a": pa.int8()}), [{"a": 1}, {"a": None}]),
        (pa.null(), [None, None]),
    ],
)
def test_values_of_every_type_come_through_unchanged(kind: pa.DataType, values: list[Any]) -> None:
    view = weather(("JFK", NOON, NOON, values[0]), ("LGA", NOON, NOON, values[1]), value=kind)
    joined = point_in_time_join(population(("LGA", NOON), ("JFK", NOON), ("EWR", NOON)), [view])
    assert joined.schema.field("weather__wind").type == kind
    assert winds(joined) == [values[1], values[0], None]


@pytest.mark.parametrize("column", ["event_time", "known_at"])
def test_a_view_row_without_its_times_is_refused(column: str) -> None:
    rows = {"event_time": NOON, "known_at": NOON, column: None}
    view = weather(("JFK", rows["event_time"], rows["known_at"], 1.0))
    with pytest.raises(SchemaError, match=f"{column} of view 'weather' is null in 1 of 1"):
        point_in_time_join(population(("JFK", NOON)), [view])


def test_a_population_row_without_its_time_is_refused() -> None:
    with pytest.raises(SchemaError, match="prediction_time"):
        point_in_time_join(population(("JFK", None)), [weather()])


def test_times_without_a_zone_are_refused_and_other_units_and_zones_are_read() -> None:
    rows = population(("JFK", NOON))
    bare = rows.set_column(2, "prediction_time", rows["prediction_time"].cast(pa.timestamp("us")))
    with pytest.raises(SchemaError, match="time zone"):
        point_in_time_join(bare, [weather()])
    view = weather(("JFK", NOON, NOON, 1.0))
    local = view.rows.set_column(2, "known_at", view.rows["known_at"].cast(pa.timestamp("ns", tz="America/New_York")))
    view = ViewRows("weather", view.keys, local, view.features, None)
    seconds = rows.set_column(2, "prediction_time", rows["prediction_time"].cast(pa.timestamp("s", tz="UTC")))
    assert winds(point_in_time_join(seconds, [view])) == [1.0]


def test_a_time_finer_than_a_microsecond_is_refused_rather_than_known_early() -> None:
    view = weather(("JFK", NOON, NOON, 1.0))
    finer = pa.array([1_372_680_000_000_000_001], pa.int64()).cast(pa.timestamp("ns", tz="UTC"))
    rows = view.rows.set_column(2, "known_at", finer)
    with pytest.raises(SchemaError, match="microseconds"):
        prepare(ViewRows("weather", view.keys, rows, view.features, None))


def test_missing_and_repeated_columns_are_named() -> None:
    view = weather(("JFK", NOON, NOON, 1.0))
    with pytest.raises(SchemaError, match="no column gust"):
        prepare(ViewRows("weather", view.keys, view.rows, {"g": "gust"}, None))
    with pytest.raises(SchemaError, match="population has no column dest"):
        point_in_time_join(population(("JFK", NOON)), [ViewRows("w", {"dest": "origin"}, view.rows, {}, None)])
    with pytest.raises(SchemaError, match="weather__wind would be in the result more than once"):
        point_in_time_join(population(("JFK", NOON)), [view, view])
    with pytest.raises(SchemaError, match="negative"):
        prepare(ViewRows("weather", view.keys, view.rows, view.features, -HOUR))


@pytest.mark.parametrize("day", [datetime(2013, 3, 10), datetime(2013, 11, 3)])
def test_days_on_which_the_clock_changes_are_like_any_other(day: datetime) -> None:
    zone = ZoneInfo("America/New_York")
    start = day.replace(tzinfo=zone).astimezone(UTC)
    hours = [start + i * HOUR for i in range(26)]
    view = weather(*(("JFK", hour, hour, float(i)) for i, hour in enumerate(hours)), ttl=timedelta(minutes=30))
    rows = population(*(("JFK", (hour + HOUR / 2).astimezone(zone)) for hour in hours))
    assert winds(point_in_time_join(rows, [view])) == [float(i) for i in range(26)]


def test_a_stream_gives_what_the_whole_table_gives_and_prepared_views_serve_many_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pointintime, "CHUNK_ROWS", 7)
    monkeypatch.setattr(pointintime, "MAX_CHUNK_ROWS", 7)
    dice = random.Random(5)
    view = weather(*(("JFK", NOON + i * TICK, NOON + dice.randrange(99) * TICK, float(i)) for i in range(50)))
    rows = population(*(("JFK", NOON + dice.randrange(99) * TICK) for _ in range(100)))
    whole = point_in_time_join(rows, [view])
    ready = prepare(view)
    streamed = point_in_time_join_stream(rows.to_reader(max_chunksize=9), [ready]).read_all()
    parts = pa.concat_tables([join_batch(rows.slice(at, 30), [ready]) for at in range(0, 100, 30)])
    assert streamed.equals(whole)
    assert parts.equals(whole)
    assert whole["id"].to_pylist() == list(range(100))


def test_an_error_in_the_middle_of_a_stream_reaches_the_reader() -> None:
    def batches() -> Any:
        yield from population(("JFK", NOON)).to_batches()
        message = "the disk is gone"
        raise OSError(message)

    reader = pa.RecordBatchReader.from_batches(population().schema, batches())
    with pytest.raises(OSError, match="the disk is gone"):
        point_in_time_join_stream(reader, [weather(("JFK", NOON, NOON, 1.0))]).read_all()


def test_only_rows_that_can_count_are_kept() -> None:
    rows = [("JFK", NOON + i * HOUR, NOON + i * HOUR, 1.0) for i in range(10)]
    stale = [("JFK", NOON, NOON + i * HOUR, 9.0) for i in range(1, 10)]
    assert prepare(weather(*rows, *stale)).features.num_rows == 10


# Few entities, few instants a microsecond or an hour apart, few values: so that ties of every kind are common.
INSTANTS = st.builds(lambda hours, ticks: NOON + hours * HOUR + ticks * TICK, st.integers(0, 3), st.integers(0, 2))
FAR = st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
TIMES = st.one_of(INSTANTS, INSTANTS, INSTANTS, FAR)
TTLS = st.one_of(st.none(), st.sampled_from([timedelta(0), TICK, HOUR, 2 * HOUR + TICK, timedelta.max]))
PLACES = st.sampled_from(["EWR", "JFK", "LGA", "", None])
NUMBERS = st.sampled_from([0, 1, 2, 500_000, -(2**63), 2**63 - 1, None])
WINDS = st.sampled_from([0.0, -0.0, 1.5, -1.5, float("nan"), float("inf"), None])
WORDS = st.sampled_from(["calm", "gusty", "Ä", None])
LISTS = st.sampled_from([[], [1], [1, 2], None])

VIEW_SCHEMA = pa.schema(
    {
        "airport": pa.string(),
        "runway": pa.int64(),
        "event_time": TIME,
        "known_at": TIME,
        "wind": pa.float64(),
        "word": pa.string(),
        "exact": pa.decimal128(9, 2),
        "steps": pa.list_(pa.int64()),
        "gale": pa.bool_(),
    }
)
POPULATION_SCHEMA = pa.schema({"origin": pa.string(), "strip": pa.int32(), "id": pa.int64(), "prediction_time": TIME})
VIEW_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "airport": PLACES,
            "runway": NUMBERS,
            "event_time": TIMES,
            "known_at": TIMES,
            "wind": WINDS,
            "word": WORDS,
            "exact": st.sampled_from([Decimal("0.00"), Decimal("-1.50"), None]),
            "steps": LISTS,
            "gale": st.sampled_from([True, False, None]),
        }
    ),
    max_size=12,
)
POPULATION_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "origin": PLACES,
            "strip": st.sampled_from([0, 1, 2, None]),
            "id": st.integers(0, 3),
            "prediction_time": TIMES,
        }
    ),
    max_size=12,
)
KEYS = st.sampled_from([{"origin": "airport"}, {"origin": "airport", "strip": "runway"}, {"strip": "runway"}, {}])
VIEW = st.tuples(KEYS, VIEW_ROWS, TTLS)


def as_text(rows: list[Any]) -> list[str]:
    """Compare by text: NaN equals NaN, and 0.0 is not -0.0."""
    return [repr(sorted(row.items())).replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc") for row in rows]


def build(number: int, view: tuple[Any, ...]) -> tuple[ViewRows, Any]:
    joins, rows, ttl = view
    features = {f"v{number}__{name}": name for name in VIEW_SCHEMA.names[4:]}
    table = pa.Table.from_pylist(rows, schema=VIEW_SCHEMA)
    return ViewRows(f"v{number}", joins, table, features, ttl), naive.NaiveView(joins, rows, features, ttl)


@settings(max_examples=400, deadline=None)
@given(POPULATION_ROWS, st.lists(VIEW, max_size=3))
def test_the_join_gives_what_plain_loops_give(rows: list[Any], views: list[Any]) -> None:
    built = [build(number, view) for number, view in enumerate(views)]
    joined = point_in_time_join(pa.Table.from_pylist(rows, schema=POPULATION_SCHEMA), [fast for fast, _ in built])
    assert as_text(joined.to_pylist()) == as_text(naive.naive_join(rows, [slow for _, slow in built]))


@settings(max_examples=150, deadline=None)
@given(POPULATION_ROWS, VIEW)
def test_keys_that_need_renumbering_give_the_same(rows: list[Any], view: Any) -> None:
    fast, slow = build(0, view)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_DENSE_ABOVE", 1)
        patch.setattr(keys, "_LOOKUP_SPAN", 0)
        joined = point_in_time_join(pa.Table.from_pylist(rows, schema=POPULATION_SCHEMA), [fast])
    assert as_text(joined.to_pylist()) == as_text(naive.naive_join(rows, [slow]))


@settings(max_examples=150, deadline=None)
@given(POPULATION_ROWS, VIEW, st.randoms(use_true_random=False))
@example([], ({}, [], None), random.Random(0))
def test_the_order_of_rows_changes_nothing(rows: list[Any], view: Any, dice: random.Random) -> None:
    table = pa.Table.from_pylist([{**row, "id": at} for at, row in enumerate(rows)], schema=POPULATION_SCHEMA)
    straight = point_in_time_join(table, [build(0, view)[0]])
    joins, view_rows, ttl = view
    mixed = build(0, (joins, dice.sample(view_rows, len(view_rows)), ttl))[0]
    order = dice.sample(range(len(rows)), len(rows))
    shuffled = point_in_time_join(table.take(pa.array(order, pa.int64())), [mixed])
    assert as_text(shuffled.sort_by("id").to_pylist()) == as_text(straight.to_pylist())


@settings(max_examples=150, deadline=None)
@given(POPULATION_ROWS, VIEW, st.integers(0, 3))
def test_what_becomes_known_later_changes_no_earlier_prediction(rows: list[Any], view: Any, hours: int) -> None:
    cut = NOON + hours * HOUR
    joins, view_rows, ttl = view
    early = [row for row in rows if row["prediction_time"] < cut]
    table = pa.Table.from_pylist(early, schema=POPULATION_SCHEMA)
    with_future = point_in_time_join(table, [build(0, view)[0]])
    without = point_in_time_join(table, [build(0, (joins, [r for r in view_rows if r["known_at"] < cut], ttl))[0]])
    assert as_text(with_future.to_pylist()) == as_text(without.to_pylist())
