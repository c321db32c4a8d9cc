from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from slipstream import monitoring
from slipstream.definitions import Model
from slipstream.definitions.model import Retraining
from slipstream.intervals import Interval, utc
from slipstream.lake import Provenance, Run
from slipstream.monitoring import last_alarm, retrain_signal, retrainings
from slipstream.promotion.history import Entry, append

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)


def day(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


@pytest.fixture
def model(shop: Any) -> Model:
    found: Model = shop.model()
    return found


def run_of(name: str) -> Run:
    return Run(dag_id="m.training", run_id=name, task_id="claim_training")


def consider(shop: Any, model: Model) -> Any:
    return monitoring.consider(model, lake=shop.lake, settings=shop.settings, run=run_of("monitoring"))


def claim(shop: Any, model: Model, name: str, **how: Any) -> Any:
    how = {"why": "alarm", **how}
    return monitoring.claim(model, lake=shop.lake, settings=shop.settings, run=run_of(name), **how)


def alarmed(window: Any, model: Model, *numbers: int, **how: Any) -> None:
    for number in numbers:
        window(model, number, drift=True, **how)


def judged(shop: Any, model: Model, number: int, action: Any, challenger: str = "7") -> None:
    """Write what the gate said of the challenger of a day."""
    version = challenger if action == "promoted" else None
    entry = Entry(action, "Because.", "ada", "p/1", version=version, challenger=challenger, as_of=day(number).end)
    append(model, lake=shop.lake, run=run_of("p"), decide=lambda rows: entry)


def test_every_window_is_decided_once_also_with_no(shop: Any, model: Model, window: Any) -> None:
    for number, drift in enumerate([False, True, True]):
        window(model, number, drift=drift)
        assert consider(shop, model) == consider(shop, model)
    rows = retrainings(model, lake=shop.lake)
    assert [row.action for row in rows] == ["no", "no", "retrain"]
    assert [row.reason for row in rows[:2]] == ["Nothing is beyond its bounds."] * 2
    assert (rows[2].why, rows[2].as_of, rows[2].alarms) == (("drift",), day(2).end, ("drift",))
    assert rows[2].reason == "Beyond bounds: drift; retrain for drift."


def test_an_alarm_is_claimed_by_one_run_however_many_ask(shop: Any, model: Model, window: Any) -> None:
    alarmed(window, model, 0, 1)
    with ThreadPoolExecutor(4) as pool:
        decided = list(pool.map(lambda _: consider(shop, model), range(4)))
        claimed = list(pool.map(lambda name: claim(shop, model, f"run {name}"), range(4)))
    assert len({each.seq for each in decided}) == 1
    mine = [each for each in claimed if each is not None]
    assert len(mine) == 1
    assert [row.action for row in retrainings(model, lake=shop.lake)] == ["retrain", "started"]
    assert claim(shop, model, mine[0].run_id.partition("/")[2]) == mine[0]
    assert retrain_signal(model, lake=shop.lake) is None


def test_a_monitor_that_only_writes_rows_raises_an_alarm_too(shop: Any, model: Model, window: Any) -> None:
    alarmed(window, model, 0, 1)
    signal = retrain_signal(model, lake=shop.lake)
    assert signal is not None
    assert (signal.as_of, signal.decided) == (day(1).end, False)
    row = claim(shop, model, "run")
    assert (row.action, row.as_of) == ("started", day(1).end)
    assert [each.action for each in retrainings(model, lake=shop.lake)] == ["retrain", "started"]


def test_a_signal_waits_until_it_is_claimed(shop: Any, model: Model, window: Any) -> None:
    alarmed(window, model, 0, 1)
    consider(shop, model)
    first, again = (retrain_signal(model, lake=shop.lake) for _ in range(2))
    assert first is not None
    assert first.decided
    assert first == again
    window(model, 2, drift=False)
    consider(shop, model)
    assert retrain_signal(model, lake=shop.lake) == first
    assert claim(shop, model, "run").as_of == day(1).end


def test_nothing_retrains_because_of_a_backfill(shop: Any, model: Model, window: Any) -> None:
    alarmed(window, model, 1, 0, backfill=True)
    assert retrain_signal(model, lake=shop.lake) is None
    alarmed(window, model, 2)
    assert retrain_signal(model, lake=shop.lake) is not None


def test_a_backfill_beside_the_newest_window_makes_no_alarm_that_retrains(shop: Any, model: Model, window: Any) -> None:
    alarmed(window, model, 5)
    assert retrain_signal(model, lake=shop.lake) is None
    alarmed(window, model, 3, 4, backfill=True)
    state = monitoring.alarm_state(model, lake=shop.lake)
    assert state is not None
    assert state.alarms == ("drift",)
    assert retrain_signal(model, lake=shop.lake) is None
    assert claim(shop, model, "run") is None
    assert retrainings(model, lake=shop.lake) == []


def test_a_training_that_is_on_its_way_keeps_others_away(shop: Any, window: Any) -> None:
    model = shop.model(retraining=Retraining(cooldown=timedelta(0)))
    alarmed(window, model, 0, 1)
    consider(shop, model)
    claim(shop, model, "run")
    alarmed(window, model, 2)
    row = consider(shop, model)
    assert (row.action, "is on its way since" in row.reason) == ("no", True)


def test_an_alarm_that_outlives_its_training_waits_for_the_cooldown(
    shop: Any, window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shop.model(retraining=Retraining(cooldown=3 * DAY, min_new_labels=0))
    monkeypatch.setattr(monitoring.retraining, "ON_ITS_WAY", timedelta(0))
    actions = []
    for number in range(8):
        alarmed(window, model, number)
        actions.append(consider(shop, model).action)
        claim(shop, model, f"run {number}")
    assert actions == ["no", "retrain", "no", "no", "retrain", "no", "no", "retrain"]
    assert "the next may start at" in retrainings(model, lake=shop.lake)[-3].reason


def test_a_policy_that_does_not_name_the_alarm_says_no(shop: Any, window: Any) -> None:
    model = shop.model(retraining=Retraining(reasons=("performance",)))
    alarmed(window, model, 0, 1)
    assert retrain_signal(model, lake=shop.lake) is None
    assert claim(shop, model, "run") is None
    assert consider(shop, model).reason == "Beyond bounds: drift; the policy does not retrain for it."


def predict(shop: Any, model: Model, number: int, rows: int) -> None:
    """Write predictions of a day."""
    at = pa.array([day(number).start] * rows, pa.timestamp("us", tz="UTC"))
    table = pa.table({"order_id": range(rows), "prediction_time": at})
    shop.lake.table(model.table).write(day(number), table, provenance=Provenance(Run.local()))


@pytest.mark.parametrize(("wanted", "action"), [(80, "retrain"), (81, "no")])
def test_a_training_wants_new_labels(
    shop: Any, window: Any, monkeypatch: pytest.MonkeyPatch, wanted: int, action: str
) -> None:
    model = shop.model(retraining=Retraining(cooldown=DAY, min_new_labels=wanted))
    monkeypatch.setattr(monitoring.retraining, "_times", lambda *_: {"1": day(1).start})
    for number in range(5):
        predict(shop, model, number, 20)
    alarmed(window, model, 3, 4)  # labels take a day, so those of the days 1 to 4 came since
    row = consider(shop, model)
    assert row.action == action
    assert "80 labels are new" in row.reason


def test_new_labels_alone_retrain_where_the_policy_says_so(
    shop: Any, window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shop.model(retraining=Retraining(reasons=("new_labels",), cooldown=DAY, min_new_labels=40))
    monkeypatch.setattr(monitoring.retraining, "_times", lambda *_: {"1": day(1).start})
    predict(shop, model, 1, 20)
    window(model, 3, drift=False)
    assert consider(shop, model).reason.startswith("Nothing is beyond its bounds; but only 20 labels are new")
    predict(shop, model, 2, 20)
    window(model, 4, drift=False)
    signal = retrain_signal(model, lake=shop.lake)
    assert signal is not None
    row = claim(shop, model, "run")
    assert (row.action, row.why, row.as_of) == ("started", ("new_labels",), day(4).end)


def test_trainings_by_hand_and_by_schedule_always_start_and_are_written_down(shop: Any, model: Model) -> None:
    row = claim(shop, model, "a", why="manual", as_of=day(3).end, reason="The storm.")
    assert row == claim(shop, model, "a", why="manual", as_of=day(4).end)
    claim(shop, model, "b", why="schedule", as_of=day(4).end)
    rows = retrainings(model, lake=shop.lake)
    assert [(row.action, row.why, row.reason) for row in rows] == [
        ("started", ("manual",), "The storm."),
        ("started", ("schedule",), "By its schedule."),
    ]


def test_nothing_is_decided_where_nothing_was_watched(shop: Any, model: Model) -> None:
    assert consider(shop, model) is None
    assert claim(shop, model, "run") is None
    assert retrain_signal(model, lake=shop.lake) is None
    assert last_alarm(model, lake=shop.lake) is None


@pytest.mark.parametrize("action", ["rejected", "promoted"])
def test_an_alarm_says_what_came_of_it(shop: Any, model: Model, window: Any, action: str) -> None:
    def told() -> str:
        found = last_alarm(model, lake=shop.lake)
        assert found is not None
        assert found.since == day(1).end
        return found.came_of_it

    alarmed(window, model, 0, 1)
    assert told() == "not retrained"
    consider(shop, model)
    assert told() == "a training is wanted"
    judged(shop, model, 1, "rejected", challenger="6")  # of before: it is not this alarm's
    claim(shop, model, "run")
    assert told() == "retrained as of 2013-01-03, not judged yet"
    judged(shop, model, 1, action)
    assert told() == f"retrained as of 2013-01-03, challenger 7 {action}"
    alarmed(window, model, 2)
    found = last_alarm(model, lake=shop.lake)
    assert found is not None
    assert (found.open, found.since, found.outcome) == (True, day(1).end, action)
    window(model, 3, version="7", drift=True)
    found = last_alarm(model, lake=shop.lake)
    assert found is not None
    assert (found.open, found.at, found.outcome) == (False, day(2).end, action)
