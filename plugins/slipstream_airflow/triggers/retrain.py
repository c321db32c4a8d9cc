"""Watching for a training that should start: for the asset that starts it, and for people's own DAGs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from slipstream_airflow.triggers.polling import PollingTrigger

if TYPE_CHECKING:
    from slipstream.lake import Lake
    from slipstream.monitoring import RetrainSignal

POLL = 10.0
AGAIN = 600.0  # seconds after which a signal that no training has claimed is given again


class RetrainTrigger(BaseEventTrigger):
    """Gives an event for each training of a model that should start and has not; never ends.

    It looks at the lake: a decision in ``ledger/retraining`` that nobody has claimed, or a window with an alarm in
    ``monitoring/<model>`` that nobody has decided on, whoever wrote them. So nothing is lost with a triggerer: the next
    one finds what is not claimed. An event that is given twice does no harm: a decision is claimed once.

    Args:
        model: The model's name.
        poll_interval: Seconds between two looks; each costs the listing of two tables' newest versions.
    """

    def __init__(self, *, model: str, poll_interval: float = POLL) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.poll_interval = poll_interval
        self._seen: tuple[int | None, ...] | None = None
        self._signal: RetrainSignal | None = None
        self._lake: Lake | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {"model": self.model, "poll_interval": self.poll_interval}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        given, at = "", 0.0
        while True:
            try:
                signal = await asyncio.to_thread(self.look)
            except Exception:
                # A definition that is half saved, or a store that does not answer: the next look may see.
                self.log.exception("The look failed; trying again in %s s.", self.poll_interval)
            else:
                if signal is not None and (signal.key != given or time.monotonic() - at > AGAIN):
                    given, at = signal.key, time.monotonic()
                    yield TriggerEvent(signal.as_dict())  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_interval)

    def look(self) -> RetrainSignal | None:
        """Return the training that should start; reads only where a table has a new version."""
        from slipstream.monitoring import retrain_signal
        from slipstream.monitoring.retraining import TABLE
        from slipstream_airflow.generation import sound_definitions
        from slipstream_airflow.hooks.lake import LakeHook

        if self._lake is None:
            self._lake = LakeHook().lake
        model, lake = sound_definitions().model(self.model), self._lake
        seen = tuple(lake.table(name).version() for name in (model.monitoring_table, TABLE))
        if seen != self._seen:
            self._signal = retrain_signal(model, lake=lake)
            self._seen = seen
        return self._signal


class RetrainSignalTrigger(PollingTrigger):
    """Ends when the policy has decided, or somebody has asked, for a training of a model after a row of the ledger.

    Args:
        model: The model's name.
        after: The ledger's row (its ``seq``) that only later ones count after.
        root: Root of the lake.
        storage_options: Options of the object store; no secrets, which come from the environment.
        poll_interval: Seconds between two looks.
    """

    def __init__(
        self, *, model: str, after: int, root: str, storage_options: dict[str, str], poll_interval: float
    ) -> None:
        super().__init__(poll_interval=poll_interval)
        self.model = model
        self.after = after
        self.root = root
        self.storage_options = dict(storage_options)
        self._seen: int | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("model", "after", "root", "storage_options", "poll_interval")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def look(self) -> str | None:
        from slipstream.lake import Lake
        from slipstream.monitoring.retraining import TABLE, retrainings

        lake = Lake(self.root, storage_options=self.storage_options)
        missing = f"Waiting for a decision to retrain {self.model}."
        version = lake.table(TABLE).version()
        if version == self._seen:
            return missing
        rows = retrainings(self.model, lake=lake)
        if any(row.action == "retrain" and row.seq > self.after for row in rows):
            return None
        self._seen = version
        return missing
