from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from slipstream.errors import DefinitionError, IncompleteError, SchemaError
from slipstream.intervals import Interval, utc
from slipstream.lake import Provenance, Run

HOURS = [
    {"shop": "a", "at": utc(f"2013-03-08T0{n}:30Z"), "sent": utc(f"2013-03-08T0{n}:40Z"), "price": n / 10}
    for n in range(6)
]


def prices(town: Any, definitions: Any, day: Interval, rows: list[dict[str, Any]]) -> None:
    """Write a whole day of prices in six-hour batches, and nothing for the six hours before it."""
    for interval in definitions.source("prices").cron.intervals(utc("2013-03-07T18:00Z"), day.end):
        town.put(definitions, "prices", interval, [row for row in rows if row["sent"] in interval])


def read(town: Any, day: Interval) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = town.lake.table("features/price").read(day.start, day.end).to_pylist()
    return rows


def test_a_view_writes_its_interval_and_again_changes_nothing(town: Any, day: Any) -> None:
    definitions = town.define()
    prices(town, definitions, day(0), HOURS)
    first = town.make(definitions, "price", day(0))
    again = town.make(definitions, "price", day(0))
    assert (first.rows, first.changed, again.changed) == (6, True, False)
    assert again.digest == first.digest
    assert first.as_dict()["inputs"] == {"raw/prices": 4}


def test_rows_of_other_intervals_and_of_what_was_known_later_are_left_out(town: Any, day: Any) -> None:
    sql = "SELECT shop, event_time - INTERVAL 2 HOUR AS event_time, known_at, price FROM prices"
    definitions = town.define(price=sql)
    prices(town, definitions, day(0), HOURS)
    town.make(definitions, "price", day(0))
    assert [row["price"] for row in read(town, day(0))] == [0.2, 0.3, 0.4, 0.5]


def test_a_wanted_interval_that_is_not_there_stops_it(town: Any, day: Any) -> None:
    definitions = town.define()
    town.put(definitions, "prices", day(0), HOURS)
    with pytest.raises(IncompleteError, match=r"--dag-id prices.ingestion --from-date 2013-03-07T18:00:00Z"):
        town.make(definitions, "price", day(0))
    assert not town.lake.table("features/price").exists()


@pytest.mark.parametrize(
    ("sql", "kind", "message"),
    [
        ("SELECT shop, event_time, known_at FROM prices", DefinitionError, r"wanted the column\(s\) price"),
        ("SELECT event_time, known_at, price FROM prices", DefinitionError, r"wanted the column\(s\) shop"),
        ("SELECT shop, known_at, price FROM prices", DefinitionError, r"wanted the column\(s\) event_time"),
        (
            "SELECT shop, event_time::TIMESTAMP AS event_time, known_at, price FROM prices",
            DefinitionError,
            "no time zone",
        ),
        ("SELECT shop, NULL::TIMESTAMPTZ AS event_time, known_at, price FROM prices", SchemaError, "no event_time"),
        ("SELECT shop, event_time, known_at, 'dear' AS price FROM prices", SchemaError, "declared as double"),
        ("SELECT shop, event_time, known_at, pryce FROM prices", DefinitionError, "price"),
        (
            "SELECT shop, event_time, known_at, random() AS price FROM prices",
            DefinitionError,
            "the same rows each time",
        ),
    ],
)
def test_sql_that_gives_something_else_is_refused_and_nothing_is_written(
    town: Any, day: Any, sql: str, kind: type[Exception], message: str
) -> None:
    definitions = town.define(price=sql)
    prices(town, definitions, day(0), HOURS)
    with pytest.raises(kind, match=message):
        town.make(definitions, "price", day(0))
    assert not town.lake.table("features/price").exists()


def test_an_interval_without_rows_is_complete(town: Any, day: Any) -> None:
    definitions = town.define()
    prices(town, definitions, day(0), [])
    assert town.make(definitions, "price", day(0)).rows == 0
    assert town.lake.table("features/price").complete(day(0))


def test_a_view_may_read_a_view(town: Any, day: Any) -> None:
    view = """
name: trend
description: Trend.
schedule: "0 0 * * *"
start: {start}
entity: [{key}]
inputs: {{price: {{table: features/price, lookback: 1d}}}}
features: {{change: {{type: float64, description: Change.}}}}
"""
    sql = (
        "SELECT shop, max(event_time) AS event_time, max(known_at) AS known_at, max(price) - min(price) AS change "
        "FROM price GROUP BY shop"
    )
    more = {"features/trend/view.yaml": view.format(start="2013-03-07", key="shop"), "features/trend/view.sql": sql}
    definitions = town.define(more=more)
    prices(town, definitions, day(0), HOURS)
    town.make(definitions, "price", day(0))
    before = town.make(definitions, "trend", Interval(utc("2013-03-07"), day(0).start))
    assert (before.rows, before.inputs) == (0, {})
    made = town.make(definitions, "trend", day(0))
    assert made.inputs == {"features/price": 0}
    assert [row["change"] for row in town.lake.table("features/trend").read().to_pylist()] == [0.5]


def test_a_view_that_begins_between_two_ticks_wants_no_interval_before_its_first(town: Any, day: Any) -> None:
    definitions = town.define(start="2013-03-08T06:00Z")
    model = definitions.model("sales")
    from slipstream.features import model_inputs

    needed = {each.table: each.intervals for each in model_inputs(model, day(3), definitions=definitions)}
    assert needed["features/price"][0] == day(1)


def test_sums_do_not_depend_on_how_the_inputs_lie(town: Any, day: Any) -> None:
    sql = (
        "SELECT shop, max(event_time) AS event_time, max(known_at) AS known_at, sum(price) AS price FROM prices "
        "WHERE event_time >= $interval_start GROUP BY shop"
    )
    rows = [
        {
            "shop": "a",
            "at": utc(f"2013-03-08T{n:02}:00Z"),
            "sent": utc(f"2013-03-08T{n:02}:10Z"),
            "price": 10.0 ** (n - 12),
        }
        for n in range(24)
    ]
    definitions = town.define(price=sql)
    table = town.lake.table("raw/prices")
    town.put(definitions, "prices", Interval(utc("2013-03-07T18:00Z"), day(0).start), [])
    parts = [
        Interval(utc(f"2013-03-08T{n:02}:00Z"), utc(f"2013-03-08T{n + 6:02}:00Z") if n < 18 else day(0).end)
        for n in (0, 6, 12, 18)
    ]
    made = set()
    for order in (parts, parts[::-1], [parts[2], parts[0], parts[3], parts[1]]):
        for part in order:
            town.put(definitions, "prices", part, [])
            town.put(definitions, "prices", part, [row for row in rows if row["at"] in part])
        made.add(town.make(definitions, "price", day(0)).digest)
        table.compact()
        made.add(town.make(definitions, "price", day(0)).digest)
    assert len(made) == 1


def test_keys_keep_their_type_where_the_view_before_has_no_rows_yet(town: Any, day: Any) -> None:
    view = """
name: later
description: By number.
schedule: "0 0 * * *"
start: 2013-03-07
entity: [order_id]
inputs: {numbers: {table: features/numbers}}
features: {n: {type: int64, description: Number.}}
"""
    numbers = view.replace("name: later", "name: numbers").replace("start: 2013-03-07", "start: 2013-03-08")
    numbers = numbers.replace("numbers: {table: features/numbers}", "orders: {table: raw/orders}")
    more = {
        "features/later/view.yaml": view,
        "features/later/view.sql": "SELECT order_id, event_time, known_at, n FROM numbers",
        "features/numbers/view.yaml": numbers,
        "features/numbers/view.sql": "SELECT order_id, event_time, known_at, order_id AS n FROM orders",
    }
    definitions = town.define(more=more)
    town.make(definitions, "later", Interval(utc("2013-03-07"), day(0).start))
    assert town.lake.table("features/later").schema().field("order_id").type == pa.int64()


def test_the_definition_and_the_inputs_stand_in_the_commit(town: Any, day: Any) -> None:
    definitions = town.define()
    prices(town, definitions, day(0), HOURS)
    town.make(definitions, "price", day(0))
    provenance = town.lake.table("features/price").commit_of(day(0)).provenance
    assert provenance["inputs"] == {"raw/prices": 4}
    assert provenance["definition"] == definitions.view("price").digest
    assert Provenance(run=Run.local()).as_dict()["run"]["dag_id"] == provenance["run"]["dag_id"]
