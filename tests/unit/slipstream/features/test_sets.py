from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from slipstream.definitions import Definitions
from slipstream.errors import DefinitionError, IncompleteError, SchemaError
from slipstream.features import feature_batches, missing_inputs, model_inputs
from slipstream.features.inputs import due_time, pin
from slipstream.features.population import scoring_intervals
from slipstream.features.sets import set_inputs
from slipstream.intervals import Interval, utc

FIRST, DAYS = utc("2013-03-08"), 5
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LAST = FIRST + DAYS * DAY
CADENCES = [
    pytest.param("0 0 * * *", "0 0 * * *", "start", id="daily views, daily scoring at its start"),
    pytest.param("0 0 * * *", "0 0 * * *", "end", id="daily views, daily scoring at its end"),
    pytest.param("0 */6 * * *", "0 0 * * *", "end", id="quicker views"),
    pytest.param("0 0 * * 0", "0 0 * * *", "end", id="weekly views"),
    pytest.param("0 0 * * *", "0 */3 * * *", "end", id="quicker scoring"),
    pytest.param("0 5 * * *", "30 */8 * * *", "end", id="ticks that never meet"),
]


def naive(town: Any, definitions: Definitions, row: dict[str, Any]) -> float | None:
    """Look for the price of one row with plain loops: known by then, and in the lake when scoring was due."""
    model, view = definitions.model("sales"), definitions.view("price")
    moment, best = row["prediction_time"], None
    due = due_time(model, model.cron.interval_at(moment))
    for seen in town.lake.table("features/price").read().to_pylist():
        in_lake = view.cron.next(seen["interval_start"]) <= due
        if seen["shop"] != row["place"] or seen["known_at"] > moment or not in_lake:
            continue
        # Among equal events the one that could be seen last, then the one known last, then the greatest price.
        ended = view.cron.next(seen["interval_start"])
        if model.scoring.at == "end":
            ended = model.cron.floor(ended - timedelta(microseconds=1))
        rank = (seen["event_time"], max(seen["known_at"], ended), seen["known_at"], seen["price"])
        best = max(best or rank, rank)
    if best is None or (view.ttl and best[0] < moment - view.ttl):
        return None
    return float(best[3])


@pytest.mark.parametrize(("views", "scoring", "at"), CADENCES)
def test_a_training_set_is_the_union_of_what_scoring_saw_and_never_of_what_came_later(
    town: Any, views: str, scoring: str, at: str
) -> None:
    definitions = town.define(views=views, scoring=scoring, at=at, start="2013-03-03")
    town.fill(definitions, midnight=at == "start")
    town.make_all(definitions)
    model = definitions.model("sales")
    whole = town.rows(definitions, FIRST, LAST).rows
    parts = [
        town.rows(definitions, max(i.start, FIRST), min(i.end, LAST)).rows
        for i in scoring_intervals(model, FIRST, LAST)
        if i.end <= LAST
    ]
    until = max(i.end for i in scoring_intervals(model, FIRST, LAST) if i.end <= LAST)
    seen = whole.filter(pc.field("prediction_time") < until)
    order = [("order_id", "ascending")]
    assert pa.concat_tables(parts).sort_by(order).equals(seen.sort_by(order))
    assert seen.num_rows > 5
    expected = [naive(town, definitions, row) for row in seen.to_pylist()]
    assert seen["price__price"].to_pylist() == expected
    assert any(value is not None for value in expected)


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 1000])
def test_batches_of_any_size_hold_the_same_rows(town: Any, rows: int) -> None:
    definitions = town.define()
    town.fill(definitions)
    town.make_all(definitions)
    model, interval = definitions.model("sales"), Interval(FIRST + DAY, FIRST + 2 * DAY)
    settings = town.settings.model_copy(update={"chunk_rows": rows})
    versions = pin(town.lake, model_inputs(model, interval, definitions=definitions))
    batches = list(
        feature_batches(model, interval, definitions=definitions, lake=town.lake, settings=settings, versions=versions)
    )
    assert max(batch.num_rows for batch in batches) <= rows
    found = pa.Table.from_batches(batches).sort_by("order_id")
    assert found.equals(town.rows(definitions, interval.start, interval.end).rows.sort_by("order_id"))


def test_the_same_versions_give_the_same_set_after_the_data_changed(town: Any) -> None:
    definitions = town.define()
    town.fill(definitions)
    town.make_all(definitions)
    how = {"labels": True, "as_of": LAST}
    before = town.rows(definitions, FIRST, LAST, **how)
    town.fill(definitions, seed=2)
    town.make_all(definitions)
    after = town.rows(definitions, FIRST, LAST, **how)
    again = town.rows(definitions, FIRST, LAST, versions=before.versions, **how)
    assert after.digest != before.digest
    assert again.digest == before.digest
    assert again.rows.equals(before.rows)


def test_a_table_that_the_pinned_versions_do_not_name_is_missing_and_never_empty(town: Any) -> None:
    definitions = town.define()
    town.fill(definitions)
    town.make_all(definitions)
    versions = dict(town.rows(definitions, FIRST, LAST).versions)
    del versions["features/price"]
    with pytest.raises(IncompleteError, match="features/price"):
        town.rows(definitions, FIRST, LAST, versions=versions)


def test_an_incomplete_input_is_named_with_the_backfill_that_makes_it(town: Any) -> None:
    definitions = town.define(views="0 */6 * * *")
    town.fill(definitions)
    town.make_all(definitions, until=FIRST + 2 * DAY)
    with pytest.raises(IncompleteError) as caught:
        town.rows(definitions, FIRST, FIRST + 4 * DAY)
    line = (
        "airflow backfill create --dag-id price.features --from-date 2013-03-10 --to-date 2013-03-10T18:00:00Z "
        "--reprocess-behavior failed"
    )
    assert line in str(caught.value)
    assert "features/size" not in str(caught.value)
    missing = missing_inputs(town.lake, set_inputs(definitions.model("sales"), FIRST, LAST, definitions=definitions))
    assert {table for table, _ in missing} == {"features/price"}


def test_labels_count_once_known_and_rows_once_mature(town: Any) -> None:
    definitions = town.define(maturity="2d")
    town.fill(definitions)
    town.make_all(definitions)
    as_of = FIRST + 4 * DAY
    found = town.rows(definitions, FIRST, LAST, labels=True, as_of=as_of).rows.to_pylist()
    assert {row["prediction_time"] for row in found} == {FIRST, FIRST + DAY, FIRST + 2 * DAY}
    assert all(row["label_known_at"] <= row["prediction_time"] + 2 * DAY <= as_of for row in found)
    later = town.rows(definitions, FIRST, LAST, labels=True, as_of=LAST).rows.to_pylist()
    assert [row for row in later if row["prediction_time"] <= FIRST + 2 * DAY] == found


def test_between_two_batches_of_labels_no_row_matures(town: Any) -> None:
    definitions = town.define(maturity="6h")
    town.fill(definitions)
    town.make_all(definitions)
    midnight = town.rows(definitions, FIRST, LAST, labels=True, as_of=FIRST + 3 * DAY)
    noon = town.rows(definitions, FIRST, LAST, labels=True, as_of=FIRST + 3 * DAY + 12 * HOUR)
    assert noon.rows.equals(midnight.rows)


def outcome(town: Any, definitions: Definitions, number: int, *rows: tuple[int, datetime, float]) -> None:
    interval = Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)
    town.put(
        definitions, "outcomes", interval, [dict(zip(("order_id", "done", "value"), row, strict=True)) for row in rows]
    )


def test_a_label_is_corrected_until_its_row_matures_and_then_stays(town: Any) -> None:
    definitions = town.define(features='["size:size"]')
    town.fill(definitions)
    town.make_all(definitions, until=FIRST)
    first = town.rows(definitions, FIRST, FIRST + DAY).rows.to_pylist()[0]["order_id"]
    outcome(town, definitions, 0, (first, FIRST + HOUR, 1.0), (first, FIRST + 3 * HOUR, 2.0))
    outcome(town, definitions, 1, (first, FIRST + DAY + HOUR, 3.0))
    for as_of in (FIRST + DAY, FIRST + 3 * DAY):
        found = town.rows(definitions, FIRST, LAST, labels=True, as_of=as_of).rows.to_pylist()
        assert [row["label"] for row in found if row["order_id"] == first] == [2.0]


def test_a_label_may_count_from_its_prediction(town: Any) -> None:
    sql = (
        "SELECT p.order_id, p.prediction_time, count(o.order_id) AS label, "
        "p.prediction_time + INTERVAL 1 DAY AS known_at "
        "FROM population p LEFT JOIN outcomes o ON o.order_id = p.order_id GROUP BY ALL"
    )
    definitions = town.define(label=sql)
    town.fill(definitions)
    town.make_all(definitions)
    found = town.rows(definitions, FIRST, LAST, labels=True, as_of=LAST).rows
    assert found.num_rows == town.rows(definitions, FIRST, LAST).rows.num_rows
    assert set(found["label"].to_pylist()) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("SELECT order_id, value, known_at FROM outcomes", r"wanted the column\(s\) label"),
        ("SELECT order_id, 'late' AS label, known_at FROM outcomes", "must be a number or a boolean"),
        ("SELECT order_id, value AS label, known_at::TIMESTAMP AS known_at FROM outcomes", "time zone"),
    ],
)
def test_a_label_that_is_none_is_refused(town: Any, label: str, message: str) -> None:
    definitions = town.define(label=label)
    town.fill(definitions)
    town.make_all(definitions)
    with pytest.raises(SchemaError, match=message):
        town.rows(definitions, FIRST, LAST, labels=True, as_of=LAST)


def test_a_null_key_finds_nothing_and_its_row_stays(town: Any) -> None:
    definitions = town.define()
    town.fill(definitions)
    town.make_all(definitions)
    rows = town.rows(definitions, FIRST, LAST).rows.to_pylist()
    lost = [row for row in rows if row["place"] is None]
    assert lost
    assert all(row["price__price"] is None and row["size__size"] is None for row in lost)


def test_nobody_to_predict_is_an_empty_set_of_the_right_columns(town: Any) -> None:
    definitions = town.define(
        population="SELECT order_id, shop AS place, due AS prediction_time FROM orders WHERE false"
    )
    town.fill(definitions)
    town.make_all(definitions)
    empty = town.rows(definitions, FIRST, LAST).rows
    assert empty.num_rows == 0
    full = town.rows(town.define(), FIRST, LAST).rows
    assert empty.schema == full.schema
    labelled = town.rows(definitions, FIRST, LAST, labels=True, as_of=LAST).rows
    assert labelled.num_rows == 0
    assert labelled.column_names[-2:] == ["label", "label_known_at"]


def test_a_stretch_before_the_model_begins_is_empty(town: Any) -> None:
    definitions = town.define()
    assert town.rows(definitions, FIRST - 9 * DAY, FIRST).rows.num_rows == 0


def test_empty_views_give_nulls(town: Any) -> None:
    definitions = town.define(price="SELECT shop, event_time, known_at, price FROM prices WHERE false")
    town.fill(definitions)
    town.make_all(definitions)
    found = town.rows(definitions, FIRST, LAST).rows
    assert found["price__price"].null_count == found.num_rows > 0


def test_a_view_without_ttl_never_grows_old(town: Any) -> None:
    price = "SELECT shop, event_time, known_at, price FROM prices WHERE known_at < TIMESTAMPTZ '2013-03-08 12:00Z'"
    found = {}
    for ttl in ("ttl: 1d", ""):
        definitions = town.define(price=price, ttl=ttl)
        town.fill(definitions)
        town.make_all(definitions)
        rows = town.rows(definitions, LAST - DAY, LAST).rows.to_pylist()
        found[ttl] = [row["price__price"] for row in rows if row["place"] is not None]
    assert set(found["ttl: 1d"]) == {None}
    assert None not in found[""]


@pytest.mark.parametrize(
    ("population", "kind", "message"),
    [
        ("SELECT order_id, due AS prediction_time FROM orders", DefinitionError, r"wanted the column\(s\) place"),
        (
            "SELECT order_id, shop AS place, due::TIMESTAMP AS prediction_time FROM orders",
            DefinitionError,
            "no time zone",
        ),
        (
            "SELECT order_id, shop AS place, NULL::TIMESTAMPTZ AS prediction_time FROM orders",
            SchemaError,
            "no prediction",
        ),
        ("SELECT order_id, 5 AS place, due AS prediction_time FROM orders", SchemaError, "Give both the same type"),
        (
            "SELECT order_id, shop AS place, due + INTERVAL 1 HOUR AS prediction_time FROM orders",
            DefinitionError,
            "scored at the start",
        ),
    ],
)
def test_a_population_that_is_none_is_refused(town: Any, population: str, kind: type[Exception], message: str) -> None:
    definitions = town.define(population=population)
    town.fill(definitions)
    town.make_all(definitions)
    with pytest.raises(kind, match=message):
        town.rows(definitions, FIRST, LAST)


def test_a_population_that_counts_within_its_interval_is_counted_as_scoring_counts(town: Any) -> None:
    population = (
        "SELECT order_id, shop AS place, due AS prediction_time, count(*) OVER () AS seen FROM orders "
        "WHERE due >= $interval_start AND due < $interval_end"
    )
    definitions = town.define(population=population)
    town.fill(definitions)
    town.make_all(definitions)
    assert set(town.rows(definitions, FIRST, LAST).rows["seen"].to_pylist()) == {12}


def test_more_intervals_than_are_loaded_at_once_are_the_same_rows(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = town.define()
    town.fill(definitions)
    town.make_all(definitions)
    whole = town.rows(definitions, FIRST, LAST)
    monkeypatch.setattr("slipstream.features.population.INTERVALS_AT_ONCE", 2)
    assert town.rows(definitions, FIRST, LAST).digest == whole.digest


def test_only_the_rows_to_keep_are_looked_up(town: Any) -> None:
    definitions = town.define()
    town.fill(definitions)
    town.make_all(definitions)
    whole = town.rows(definitions, FIRST, LAST).rows
    some = town.rows(definitions, FIRST, LAST, keep=lambda batch: batch.slice(0, 2))
    assert 0 < some.rows.num_rows < whole.num_rows
    assert set(map(str, some.rows.to_pylist())) <= set(map(str, whole.to_pylist()))
