"""The pool that keeps trainings apart; a task that names a pool that is not there would wait for ever."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from slipstream_airflow.defaults import TRAINING_POOL

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)
BYTES_A_FIT = 8 * 2**30
DESCRIPTION = "Fits at a time, so that they do not fight for memory: one for each 8 GB of the scheduler's machine."


def slots() -> int:
    """Return how many fits may run at once: one for each 8 GB of memory, at least one, at most one a core."""
    import psutil

    return max(1, min(psutil.cpu_count() or 1, psutil.virtual_memory().total // BYTES_A_FIT))


def ensure_pools(session: Session) -> bool:
    """Make the training pool if there is none; one that exists stays as its owner set it. Tells whether it was made."""
    from airflow.models.pool import Pool
    from sqlalchemy.exc import IntegrityError

    if Pool.get_pool(TRAINING_POOL, session=session) is not None:
        return False
    pool = Pool(pool=TRAINING_POOL, slots=slots(), description=DESCRIPTION, include_deferred=False)
    try:
        with session.begin_nested():
            session.add(pool)
    except IntegrityError:  # another scheduler was faster
        return False
    session.commit()
    log.info("Made the pool %s with %s slot(s).", TRAINING_POOL, pool.slots)
    return True
