"""What happens when one of Airflow's long-running processes starts, before it forks anything."""

from __future__ import annotations

import logging
import sys
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: Any) -> None:
    """Import what tasks and DAG files will want, and make the pool that trainings name.

    Airflow calls this in every task's process too, with a marker instead of a job: there everything is done already.
    """
    if type(component).__name__ != "Job":
        return
    from slipstream_airflow.warm import warm_this_process

    warm_this_process()
    if "scheduler" in sys.argv[1:2]:
        _make_pools()


def _make_pools() -> None:
    from airflow.utils.session import create_session

    from slipstream_airflow.pools import ensure_pools

    try:
        with create_session() as session:
            ensure_pools(session)
    except Exception:
        log.exception("The pool for trainings could not be made; `airflow pools set training 1 trainings` does.")
