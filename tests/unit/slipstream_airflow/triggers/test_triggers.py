"""A trigger looks until all is there, outlives a store that does not answer, and gives up where waiting is no use."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.errors import DefinitionError, SettingsError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
from slipstream_airflow.triggers.batch import BatchTrigger
from slipstream_airflow.triggers.polling import PollingTrigger, raise_unless_ready
from slipstream_airflow.triggers.retrain import RetrainSignalTrigger, RetrainTrigger
from slipstream_airflow.triggers.table import TablesCompleteTrigger
from slipstream_airflow.triggers.version import ModelVersionTrigger

DAY = Interval.parse("2013-01-01")


class Looks(PollingTrigger):
    """Finds, look by look, what it was given; an error is raised."""

    def __init__(self, *found: str | Exception | None) -> None:
        super().__init__(poll_interval=0.001)
        self.found = list(found)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "here", {}

    def look(self) -> str | None:
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def end_of(trigger: PollingTrigger) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        async for event in trigger.run():
            return dict(event.payload)
        return {}

    return asyncio.run(asyncio.wait_for(first(), timeout=10))


def test_it_waits_until_nothing_is_missing() -> None:
    trigger = Looks("a is missing", "a is missing", None)
    assert end_of(trigger)["status"] == "ready"
    assert trigger.found == []


def test_it_outlives_a_store_that_does_not_answer() -> None:
    assert end_of(Looks(OSError("no route"), "a is missing", OSError("no route"), None))["status"] == "ready"


def test_it_gives_up_where_waiting_is_no_use() -> None:
    event = end_of(Looks("a is missing", SettingsError("There is no lake.")))
    assert event == {"status": "failed", "message": "There is no lake."}


def test_it_looks_again_at_a_definition_that_is_half_saved_but_not_for_ever() -> None:
    broken = DefinitionError("It is not readable YAML.")
    assert end_of(Looks(broken, broken, "a is missing", broken, broken, None))["status"] == "ready"
    assert end_of(Looks("a is missing", broken, broken, broken))["status"] == "failed"


@pytest.mark.parametrize("event", [None, {}, {"status": "failed", "message": "gone"}])
def test_a_failed_wait_fails_the_task_without_another_try(event: dict[str, Any] | None) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException):
        raise_unless_ready(event)
    raise_unless_ready({"status": "ready"})


@pytest.mark.parametrize(
    "trigger",
    [
        BatchTrigger(source="flights", interval_start="2013-01-01T00:00:00Z", poll_interval=5),
        TablesCompleteTrigger(
            needed=[{"table": "raw/flights", "intervals": [str(DAY)]}],
            root="/lake",
            storage_options={},
            poll_interval=5,
        ),
        RetrainTrigger(model="m", poll_interval=5),
        RetrainSignalTrigger(model="m", after=3, root="/lake", storage_options={"a": "b"}, poll_interval=5),
        ModelVersionTrigger(model="m", other_than="2", root="/lake", storage_options={}, poll_interval=5),
    ],
)
def test_a_trigger_comes_back_from_the_database_as_it_was(trigger: Any) -> None:
    from airflow.sdk.module_loading import import_string

    path, arguments = trigger.serialize()
    again = import_string(path)(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)


@pytest.mark.parametrize("kind", [BatchTrigger, TablesCompleteTrigger, RetrainTrigger])
def test_a_misspelt_argument_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="intervall"):
        kind(intervall="2013-01-01")


def test_tables_are_complete_once_every_interval_is_written(tmp_path: Path) -> None:
    lake, needed = Lake(tmp_path), [{"table": "raw/flights", "intervals": [str(DAY)]}]
    trigger = TablesCompleteTrigger(needed=needed, root=str(tmp_path), storage_options={}, poll_interval=0.01)
    assert "raw/flights: 1 interval(s)" in (trigger.look() or "")
    lake.table("raw/flights").write(DAY, pa.table({"id": [1]}), provenance=Provenance(run=Run.local()))
    assert trigger.look() is None
    assert end_of(trigger)["status"] == "ready"
