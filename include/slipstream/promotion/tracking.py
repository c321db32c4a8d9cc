"""MLflow without its surprises: an explicit client, no global run, quiet, errors of ours, one run a key."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from slipstream.errors import NotFoundError, ServiceError
from slipstream.secrecy import without_logins

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

P = ParamSpec("P")
T = TypeVar("T")

KEY = "slipstream.key"
ROLE = "slipstream.role"
CANDIDATE = "slipstream.candidate"

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"}
_SERVICE = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"}


def client_of(tracking_uri: str) -> MlflowClient:
    """Return a client for ``tracking_uri``; MLflow itself is pointed there too, since parts of it ask no client."""
    _hush()
    import logging

    import mlflow

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # that there is no pip here is no news
    if mlflow.get_tracking_uri() != tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    return _client(tracking_uri)


@functools.lru_cache(maxsize=8)
def _client(tracking_uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    with mlflow_errors("MLflow"):
        return MlflowClient(tracking_uri, tracking_uri)


def _hush() -> None:
    """Say before MLflow's first import that it shall not phone home, nor draw; a setting of the user's own stays."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def mlflow_errors(what: str) -> Iterator[None]:
    """Turn what MLflow raises into ServiceError (try again) or NotFoundError (``what`` is not there).

    MLflow names the whole address that did not answer, login and password included; our messages do not.
    """
    _hush()
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except MlflowException as error:
        text = without_logins(str(error).splitlines()[0] if str(error) else type(error).__name__)
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            message = f"{what} is not in MLflow: {text}"
            raise NotFoundError(message) from error
        if error.error_code in _SERVICE:
            message = f"MLflow did not answer for {what}: {text} It is tried again; if that goes on, see its log."
            raise ServiceError(message) from error
        raise
    except (RequestException, ConnectionError, TimeoutError) as error:
        text = without_logins(str(error))
        message = f"MLflow did not answer for {what}: {text} It is tried again; if that goes on, see its log."
        raise ServiceError(message) from error


def speaks_mlflow(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function so that errors of MLflow leave it as errors of ours."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with mlflow_errors(function.__name__.replace("_", " ")):
            return function(*args, **kwargs)

    return wrapped


def is_absent(error: Exception) -> bool:
    """Say whether an MLflow error only means that the thing does not exist (alias lookups use two codes for it)."""
    return getattr(error, "error_code", None) in _NOT_THERE


def experiment_id(client: MlflowClient, name: str) -> str:
    """Return the experiment's id; two processes that create it at once both get the same one."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        message = f"The MLflow experiment {name!r} was deleted; restore it (`mlflow experiments restore`), or purge it."
        raise NotFoundError(message)
    return str(found.experiment_id)


def find_run(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> MlflowRun | None:
    """Return the run with these tags, the earliest where there are several."""
    words = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    found = client.search_runs([experiment], filter_string=words, max_results=100)
    return min(found, key=lambda run: (run.info.start_time, run.info.run_id), default=None)


def find_or_create_run(
    client: MlflowClient, experiment: str, tags: Mapping[str, str], *, name: str, more: Mapping[str, str] | None = None
) -> MlflowRun:
    """Return the one run with these tags, made now if there is none; of two made at once the later one is deleted."""
    found = find_run(client, experiment, tags)
    if found is not None:
        return found
    mine = client.create_run(experiment, tags={**tags, **(more or {})}, run_name=name)
    first = find_run(client, experiment, tags) or mine
    if first.info.run_id != mine.info.run_id:
        client.delete_run(mine.info.run_id)
    return first


def set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of a run in one call."""
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(name, str(value)) for name, value in tags.items()])
