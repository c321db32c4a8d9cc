"""The watcher loses no training that should start, and the sensors of people's own DAGs see what happens to a model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from slipstream.definitions import Model
from slipstream.errors import DefinitionError
from slipstream.intervals import utc
from slipstream.lake import Run
from slipstream.monitoring import claim
from slipstream.monitoring.retraining import journal
from slipstream.promotion.history import Entry, append
from slipstream.settings import Settings
from slipstream_airflow.sensors.model import ModelVersionSensor, RetrainSignalSensor
from slipstream_airflow.triggers import retrain as module
from slipstream_airflow.triggers.retrain import RetrainTrigger

AT = utc("2013-01-03")


@pytest.fixture
def model(shop: Any, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Give a model of the shop that Airflow's processes would find, with the shop's lake."""
    found = shop.model()
    monkeypatch.setattr("slipstream_airflow.generation.sound_definitions", lambda: Known(found))
    monkeypatch.setattr("slipstream_airflow.hooks.lake.LakeHook.settings", shop.settings)
    return found


class Known:
    def __init__(self, model: Model) -> None:
        self._model = model

    def model(self, name: str) -> Model:
        assert name == self._model.name
        return self._model


def want(shop: Any, model: Model, key: str = "k") -> None:
    """Write a decision to retrain."""
    row = {"action": "retrain", "why": "drift", "reason": "So.", "as_of": AT, "alarms": "drift"}
    row |= {"model_version": "1", "key": key, "by": "ada", "run_id": "m/1"}
    journal(shop.lake).append(model.name, lambda rows: row, run=shop.run)


def events(trigger: RetrainTrigger, *, looks: int) -> list[dict[str, Any]]:
    """Return what a trigger gives until it has looked so often."""
    found, count, look = [], 0, trigger.look

    def counted() -> Any:
        nonlocal count
        count += 1
        return look()

    trigger.look = counted  # type: ignore[method-assign]

    async def run() -> None:
        watching = trigger.run()

        async def collect() -> None:
            async for event in watching:
                found.append(event.payload)

        task = asyncio.create_task(collect())
        while count < looks and not task.done():
            await asyncio.sleep(0.005)
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), timeout=20))
    return found


def test_a_decision_is_given_once_by_a_triggerer_and_again_by_the_next(shop: Any, model: Model) -> None:
    want(shop, model)
    for _ in range(2):
        found = events(RetrainTrigger(model=model.name, poll_interval=0.001), looks=4)
        assert [(each["model"], each["as_of"]) for each in found] == [(model.name, "2013-01-03T00:00:00Z")]
    claim(model, "alarm", lake=shop.lake, settings=Settings(), run=Run("m.training", "r", "t"))
    assert events(RetrainTrigger(model=model.name, poll_interval=0.001), looks=2) == []


def test_one_that_nobody_claims_is_given_again(shop: Any, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.0)
    want(shop, model)
    assert len(events(RetrainTrigger(model=model.name, poll_interval=0.001), looks=4)) >= 3


def test_a_store_that_does_not_answer_ends_nothing(shop: Any, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    want(shop, model)
    trigger, errors = RetrainTrigger(model=model.name, poll_interval=0.001), [OSError("no"), DefinitionError("half")]
    look = trigger.look
    monkeypatch.setattr(trigger, "look", lambda: (_ for _ in ()).throw(errors.pop()) if errors else look())
    assert len(events(trigger, looks=4)) == 1


def test_tables_that_did_not_change_are_not_read(shop: Any, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    import slipstream.monitoring as library

    reads, real = [], library.retrain_signal
    monkeypatch.setattr(library, "retrain_signal", lambda *a, **k: reads.append(1) or real(*a, **k))
    trigger = RetrainTrigger(model=model.name)
    for _ in range(3):
        assert trigger.look() is None
    want(shop, model)
    for _ in range(3):
        assert trigger.look() is not None
    assert len(reads) == 2


def deferred(sensor: Any) -> Any:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    return caught.value


def test_a_sensor_waits_for_the_next_decision_to_retrain(shop: Any, model: Model) -> None:
    want(shop, model, "before")
    sensor = RetrainSignalSensor(task_id="wait", model=model.name)
    waiting = deferred(sensor)
    assert waiting.trigger.look() == f"Waiting for a decision to retrain {model.name}."
    want(shop, model, "after")
    assert waiting.trigger.look() is None
    found = getattr(sensor, waiting.method_name)({}, {"status": "ready", "message": ""}, **waiting.kwargs)
    assert (found["key"], found["reason"]) == ("after", "So.")
    assert RetrainSignalSensor(task_id="wait", model=model.name, after=0).execute({})["key"] == "before"


def promote(shop: Any, model: Model, version: str) -> None:
    entry = Entry("promoted", "Better.", "ada", "p/1", version=version, challenger=version)
    append(model, lake=shop.lake, run=shop.run, decide=lambda rows: entry)


def test_a_sensor_waits_for_another_champion(shop: Any, model: Model) -> None:
    sensor = ModelVersionSensor(task_id="wait", model=model.name)
    waiting = deferred(sensor)
    promote(shop, model, "1")
    assert waiting.trigger.look() is None
    assert getattr(sensor, waiting.method_name)({}, {"status": "ready"}, **waiting.kwargs)["version"] == "1"
    waiting = deferred(ModelVersionSensor(task_id="wait", model=model.name))
    assert waiting.trigger.look() == f"Waiting for a champion of {model.name} other than version 1."
    assert ModelVersionSensor(task_id="wait", model=model.name, other_than=0).execute({})["version"] == "1"
