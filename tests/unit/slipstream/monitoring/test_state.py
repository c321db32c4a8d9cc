from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.definitions import Definitions, Model
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Provenance, Run
from slipstream.monitoring import alarm_state, alarm_states, last_alarm
from slipstream.monitoring.rows import Measurement, schema

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)


def day(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


@pytest.fixture
def model(shop_definitions: Definitions) -> Model:
    return shop_definitions.model("churn")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def write(lake: Lake, model: Model, number: int, *, version: str = "1", **verdicts: bool | None) -> None:
    """Write what a day's window came to: for each kind whether it is beyond its bounds, None where not judged."""
    found = [
        Measurement("verdict", kind, "share", None if beyond is None else 0.5, None, bool(beyond), 9, 9)
        for kind, beyond in verdicts.items()
    ]
    window = day(number)
    when = {"window_start": window.start, "window_end": window.end, "event_time": window.start}
    when |= {"known_at": window.end, "model_version": version}
    rows = pa.Table.from_pylist([{**each.as_dict(), **when} for each in found], schema=schema())
    lake.table(model.monitoring_table).write(window, rows, provenance=Provenance(Run.local()))


def test_two_of_three_windows_are_an_alarm_and_one_is_not(lake: Lake, model: Model) -> None:
    for number, beyond in enumerate([True, False, True, False, False, False]):
        write(lake, model, number, drift=beyond, performance=False)
    states = alarm_states(model, lake=lake)
    assert [each.alarms for each in states] == [(), (), ("drift",), (), (), ()]
    assert (states[2].beyond["drift"], states[2].judged["drift"], states[2].windows) == (2, 3, 3)
    last = last_alarm(model, lake=lake)
    assert last is not None
    assert (last.at, last.since, last.open, last.alarms) == (day(2).end, day(2).end, False, ("drift",))
    assert (last.decided, last.retrained_at, last.outcome) == (None, None, None)


def test_windows_written_in_another_order_come_to_the_same(lake: Lake, model: Model) -> None:
    for number in (3, 1, 2, 0):
        write(lake, model, number, drift=number != 1)
    assert [each.alarms for each in alarm_states(model, lake=lake)] == [(), (), ("drift",), ("drift",)]
    assert alarm_state(model, lake=lake, at=day(2).end) == alarm_states(model, lake=lake)[2]
    assert alarm_states(model, lake=lake, start=day(2).start, end=day(3).start) == [alarm_states(model, lake=lake)[2]]


def test_a_window_that_is_not_there_or_not_judged_does_not_count(lake: Lake, model: Model) -> None:
    write(lake, model, 0, drift=True)
    write(lake, model, 2, drift=None)
    write(lake, model, 3, drift=True)
    state = alarm_state(model, lake=lake)
    assert state is not None
    assert (state.at, state.alarms, state.judged["drift"]) == (day(3).end, (), 1)


def test_a_new_version_starts_without_the_alarms_of_the_old_one(lake: Lake, model: Model) -> None:
    write(lake, model, 0, drift=True)
    write(lake, model, 1, drift=True)
    write(lake, model, 2, version="2", drift=True)
    assert [each.alarms for each in alarm_states(model, lake=lake)] == [(), ("drift",), ()]


def test_there_is_no_state_where_nothing_was_watched(lake: Lake, model: Model) -> None:
    assert alarm_state(model, lake=lake) is None
    assert alarm_states(model, lake=lake) == []
    write(lake, model, 0, drift=True)
    assert alarm_state(model, lake=lake, at=day(5).end) is None
    assert alarm_state(model, lake=lake, at=FIRST + DAY / 2) is None


def test_rows_of_before_a_column_was_added_are_still_read(lake: Lake, model: Model) -> None:
    old = schema().remove(schema().get_field_index("weight"))
    old = old.remove(old.get_field_index("compared_with"))
    row = {**Measurement("verdict", "drift", "share", 1.0, None, True, 9, 9).as_dict(), "event_time": day(0).start}
    rows: Any = pa.Table.from_pylist([{name: row.get(name) for name in old.names}], schema=old)
    lake.table(model.monitoring_table).write(day(0), rows, provenance=Provenance(Run.local()))
    write(lake, model, 1, version="1", drift=True)
    assert [each.beyond["drift"] for each in alarm_states(model, lake=lake)] == [1, 1]


def test_more_alarms_than_windows_are_refused() -> None:
    from slipstream.definitions.model import Persistence

    with pytest.raises(ValueError, match="at most as many alarms as windows"):
        Persistence(windows=2, alarms=3)
