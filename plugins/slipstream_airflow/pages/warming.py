"""What the overview shows, read in the background from the server's start on, so that nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time

PAUSE = 60.0
"""Seconds between two looks. One that finds nothing new looks at two files a table."""

logger = logging.getLogger(__name__)
_started = threading.Event()


def keep_warm() -> None:
    """Start the thread that does so, once a process; it ends with the process."""
    if not _started.is_set():
        _started.set()
        threading.Thread(target=_forever, name="slipstream-warming", daemon=True).start()


def refresh() -> bool:
    """Read what changed since the last time; return whether that went well. What went wrong stands in the log."""
    from slipstream.overview import overview
    from slipstream_airflow.pages.models import Here

    here = Here()
    try:
        overview(here.definitions.models.values(), lake=here.lake)
    except Exception as error:
        # A page that is asked for says what is wrong; here it must not end the thread.
        logger.warning("The overview was not read ahead: %s: %s", type(error).__name__, error)
        return False
    return True


def _forever() -> None:
    while True:
        refresh()
        time.sleep(PAUSE)
