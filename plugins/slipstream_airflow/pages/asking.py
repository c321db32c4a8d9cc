"""MLflow asked with a limit: a page is shown without what it knows rather than late."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import TYPE_CHECKING

from slipstream.errors import SlipstreamError

if TYPE_CHECKING:
    from slipstream.overview import Aliases
    from slipstream.promotion import Registry

WAIT = 1.5
"""Seconds that a page waits."""
PAUSE = 15.0
"""Seconds for which one that did not answer is not asked again."""

logger = logging.getLogger(__name__)


class Asking:
    """Asks the registry for the aliases, in a thread that may outlast the page that asked."""

    def __init__(self, wait: float = WAIT, pause: float = PAUSE) -> None:
        self._wait, self._pause = wait, pause
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="slipstream-mlflow")
        self._not_before = 0.0

    def aliases(self, registry: Registry) -> Aliases | None:
        """Return every model's aliases; None where MLflow does not answer in time."""
        from slipstream.overview import read_aliases

        if time.monotonic() < self._not_before:
            return None
        try:
            found = self._pool.submit(read_aliases, registry).result(self._wait)
        except (TooLate, SlipstreamError) as error:
            logger.warning("MLflow did not answer a page: %s", type(error).__name__)
            self._not_before = time.monotonic() + self._pause
            return None
        self._not_before = 0.0
        return found


asking = Asking()
