"""Heavy imports once, in the process that tasks are forked from, instead of in every task.

A task of the LocalExecutor is a fork of a worker, which is a fork of the scheduler; one of Celery a fork of the
Celery worker. What those have imported, the task has. Only imports happen here: a thread or a connection would not
survive the fork. The api-server and the command line import none of it; the dag-processor only what DAG files import.
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

Role = Literal["tasks", "files"]
LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "duckdb",
    "deltalake",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "sklearn.compose",
    "skops.io",
    "mlflow",
    "mlflow.sklearn",
    "mlflow.tracking",
    "great_expectations",
    "evidently",
    "evidently.metrics",
)
REASONS = ("shap", "slipstream.attribution")  # only where a model wants reasons: they take as long as all of mlflow
STAGES = (
    "slipstream.lake",
    "slipstream.engine",
    "slipstream.ingestion",
    "slipstream.features",
    "slipstream.training",
    "slipstream.promotion",
    "slipstream.scoring",
    "slipstream.monitoring",
)
FILES = ("slipstream.definitions", "slipstream.features", "slipstream_airflow.everything")
QUIET = {"great_expectations._docs_decorators": logging.WARNING}


def role_of(argv: Sequence[str], executor: str) -> Role | None:
    """Return what the processes forked from this one will do, None where warming it is no use.

    Args:
        argv: The process' command line.
        executor: Airflow's ``core.executor``, one or several names.
    """
    words = [word for word in argv if not word.startswith("-")]
    if not words or Path(words[0]).name not in ("airflow", "__main__.py"):
        return None
    command = words[1:3]
    if command[:1] == ["dag-processor"]:
        return "files"
    if command[:1] == ["scheduler"] and "LocalExecutor" in executor:
        return "tasks"
    return "tasks" if command == ["celery", "worker"] else None


def warm(role: Role) -> None:
    """Import what forked processes of this role will want, and read the definitions; never raises."""
    start = time.monotonic()
    for logger, level in QUIET.items():
        logging.getLogger(logger).setLevel(level)
    with warnings.catch_warnings():
        # skops asks every loaded module for every name it knows, which sets off each deprecation shim of Airflow.
        warnings.simplefilter("ignore")
        failed = _import(FILES if role == "files" else (*LIBRARIES, *_for_reasons(), *STAGES, *FILES))
    try:
        _rehearse()
    except Exception:
        log.exception("What DAG files do could not be rehearsed; each does it anew.")
    seconds = time.monotonic() - start
    log.info("Imported for %s in %.1f s; not imported: %s.", role, seconds, ", ".join(failed) or "none")


def _for_reasons() -> tuple[str, ...]:
    """Return what a model with reasons, or a gate that compares them, imports; nothing where there is none."""
    from slipstream_airflow.generation import sound_definitions

    try:
        models = sound_definitions().models.values()
    except Exception:  # the rehearsal says which
        return ()
    wanted = any(model.scoring.explain or any(check.check == "stability" for check in model.gate) for model in models)
    return REASONS if wanted else ()


def _rehearse() -> None:
    """Do once what else every DAG file does: read the definitions, and have Airflow find its kinds of asset address."""
    from airflow.sdk import DAG, Asset

    from slipstream_airflow.generation import sound_definitions
    from slipstream_airflow.params import interval_form
    from slipstream_airflow.schedules import after_interval

    sound_definitions()
    with DAG(dag_id="rehearsal", schedule=after_interval("0 0 * * *"), params=interval_form(), auto_register=False):
        Asset("slipstream://rehearsal")


def _import(names: Iterable[str]) -> list[str]:
    failed = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            log.warning("%s could not be imported; tasks that need it will say why.", name, exc_info=True)
            failed.append(name)
    return failed


def warm_this_process() -> None:
    """Warm this process if tasks or DAG files are forked from it and ``SLIPSTREAM_WARM_WORKERS`` allows it."""
    try:
        from airflow.configuration import conf

        from slipstream.settings import get_settings

        role = role_of(sys.argv, conf.get("core", "executor", fallback=""))
        if role and get_settings().warm_workers:
            warm(role)
    except Exception:
        log.exception("Workers stay cold: each task imports what it needs.")


def warm_celery_worker() -> None:
    """Have a Celery worker warm itself when it starts, before it forks its pool; nothing in any other process."""
    if role_of(sys.argv, "") != "tasks":
        return
    from celery.signals import worker_init  # type: ignore[import-untyped]

    worker_init.connect(_on_worker_init, weak=False)


def _on_worker_init(**_: object) -> None:
    warm_this_process()
