"""MLflow asked with a limit: a page is shown without what it knows rather than late."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstream.overview import Aliases
    from slipstream.promotion import Registry

WAIT = 1.5
"""Seconds that a page waits."""
FIRST_WAIT = 10.0
"""Seconds that the first page waits, for MLflow's client has to be imported."""
PAUSE = 15.0
"""Seconds for which one that did not answer is not asked again."""
AT_ONCE = 8
"""Questions that may be open; MLflow's own client waits for minutes."""

logger = logging.getLogger(__name__)


class Asking:
    """Asks the registry for the aliases, each time in a thread that may outlast the page that asked."""

    def __init__(self, wait: float = WAIT, first_wait: float = FIRST_WAIT, pause: float = PAUSE) -> None:
        self.wait, self._first_wait, self._pause = wait, first_wait, pause
        self._free = threading.Semaphore(AT_ONCE)
        self._not_before, self._asked = 0.0, False

    def aliases(self, registry: Registry) -> Aliases | None:
        """Return every model's aliases; None where MLflow does not answer in time, or with an error."""
        if time.monotonic() < self._not_before or not self._free.acquire(blocking=False):
            return None
        answers: list[Aliases] = []
        # A daemon, so that a server that never answers does not keep ours from stopping.
        thread = threading.Thread(target=self._ask, args=(registry, answers), name="slipstream-mlflow", daemon=True)
        thread.start()
        wait = self.wait if self._asked else max(self.wait, self._first_wait)
        self._asked = True
        thread.join(wait)
        if answers:
            return answers[0]
        self._not_before = time.monotonic() + self._pause
        logger.warning("MLflow did not answer within %s s; the pages do without it for %s s.", wait, self._pause)
        return None

    def _ask(self, registry: Registry, answers: list[Aliases]) -> None:
        from slipstream.overview import read_aliases

        try:
            answers.append(read_aliases(registry))
        except Exception as error:
            # Only the kind of error: a message may hold the address, and the address a password.
            logger.warning("MLflow did not say which version is challenger: %s", type(error).__name__)
        finally:
            self._free.release()


asking = Asking()
