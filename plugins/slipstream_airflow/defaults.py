"""What all tasks share: who owns them, when they are tried again, how long they may take, where they queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

TRAINING_POOL = "training"
"""Holds as many fits as memory allows (see ``pools``); made by the scheduler when it starts."""

FAIL_FAST: dict[str, Any] = {
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 3,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception="slipstream.errors.FatalError",
                action=RetryAction.FAIL,
                reason="Trying again gives the same: see the message.",
            )
        ]
    ),
}
"""Try again after 10, 30 and 90 s, but never after an error that only a person can mend."""

TIMEOUTS = {
    "ingestion": timedelta(hours=1),
    "features": timedelta(hours=2),
    "training": timedelta(hours=6),
    "promotion": timedelta(hours=1),
    "scoring": timedelta(hours=2),
    "monitoring": timedelta(hours=1),
    "rollback": timedelta(minutes=15),
    "maintenance": timedelta(hours=6),
}
ACTIVE_RUNS = {"ingestion": 16, "features": 16, "scoring": 16, "monitoring": 16}
ACTIVE_TASKS = 16


def task_defaults(stage: str, owner: str) -> dict[str, Any]:
    """Return the default arguments of a stage's tasks."""
    return {**FAIL_FAST, "owner": owner, "execution_timeout": TIMEOUTS[stage]}


def dag_defaults(stage: str, owner: str) -> dict[str, Any]:
    """Return the DAG arguments that follow from the stage alone; one run at a time unless runs cannot meet."""
    return {
        "default_args": task_defaults(stage, owner),
        "catchup": False,
        "max_active_runs": ACTIVE_RUNS.get(stage, 1),
        "max_active_tasks": ACTIVE_TASKS,
    }
