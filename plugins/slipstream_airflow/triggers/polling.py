"""Looking again and again from the triggerer's event loop, in a thread, until what is wanted is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from slipstream.errors import DefinitionError, FatalError

PATIENT_LOOKS = 3


class PollingTrigger(BaseTrigger):
    """Ends with the status ``ready``, or with ``failed`` and a message where waiting is no use.

    Args:
        poll_interval: Seconds between two looks.
    """

    def __init__(self, *, poll_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_interval = poll_interval

    def look(self) -> str | None:
        """Return what is still missing, None when all is there. Runs in a thread; may block, may raise."""
        raise NotImplementedError

    async def run(self) -> AsyncIterator[TriggerEvent]:
        before, unreadable = "", 0
        while True:
            try:
                missing = await asyncio.to_thread(self.look)
            except FatalError as error:
                # A file of a definition may be half saved at this moment; still unreadable after a while, it is wrong.
                unreadable = unreadable + 1 if isinstance(error, DefinitionError) else PATIENT_LOOKS
                if unreadable >= PATIENT_LOOKS:
                    yield _event("failed", str(error))
                    return
                missing = before
            except Exception:
                # A store or a database that does not answer for a while is no reason to give up waiting.
                self.log.exception("The look failed; trying again in %s s.", self.poll_interval)
                missing = before
            else:
                unreadable = 0
            if missing is None:
                yield _event("ready")
                return
            if missing != before:
                self.log.info(missing)
                before = missing
            await asyncio.sleep(self.poll_interval)


def _event(status: str, message: str = "") -> TriggerEvent:
    return TriggerEvent({"status": status, "message": message})  # type: ignore[no-untyped-call]


def raise_unless_ready(event: Mapping[str, Any] | None) -> None:
    """Raise what a trigger found out instead of what it waited for; no retry would help."""
    if event is None or event.get("status") != "ready":
        message = str((event or {}).get("message") or f"The trigger ended with {event!r}.")
        raise AirflowFailException(message)
