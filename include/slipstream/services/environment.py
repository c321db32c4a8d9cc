"""The environment that configures Airflow and MLflow; there is no configuration file besides it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from slipstream.services.credentials import Secrets, users_of
from slipstream.services.places import Places, write_atomically
from slipstream.services.ports import HOST
from slipstream.services.postgres import Postgres
from slipstream.settings import Settings

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "SCARF_ANALYTICS": "false",
    "SCARF_NO_ANALYTICS": "true",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}
"""No library reports to anybody: Evidently, MLflow, Great Expectations, Airflow's and others' scarf."""

_OURS = ("AIRFLOW", "MLFLOW_", "SLIPSTREAM_")

# Changes with every start, so they belong to the services and not to a shell that outlives them.
_VOLATILE = {"SLIPSTREAM_MLFLOW_TRACKING_URI", "SLIPSTREAM_AIRFLOW_URL"}


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def base_environment(settings: Settings) -> dict[str, str]:
    """Return what every process gets: the caller's environment, our settings, no telemetry, caches below the home."""
    places = Places(settings.home)
    threads = str(max(1, cores() // 4))  # several tasks run at once; more threads each would only fight
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        environment.setdefault(name, threads)
    environment.update(NO_TELEMETRY)
    environment.update(_settings_as_variables(settings))
    environment.update(
        {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "XDG_CACHE_HOME": str(places.cache),
            "XDG_CONFIG_HOME": str(places.cache / "config"),
            "MPLCONFIGDIR": str(places.cache / "matplotlib"),
            "NUMBA_CACHE_DIR": str(places.cache / "numba"),
            "NO_PROXY": _with_local_host(os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""),
            "TZ": "UTC",
        }
    )
    environment["no_proxy"] = environment["NO_PROXY"]
    return environment


def airflow_environment(
    settings: Settings,
    *,
    airflow_port: int,
    tracking_uri: str,
    postgres: Postgres,
    secrets: Secrets,
) -> dict[str, str]:
    """Return the whole environment of every Airflow process, and of the ``airflow`` command.

    What tunes (parallelism, intervals, pauses) gives way to the same variable of the caller; the rest does not.
    """
    environment = base_environment(settings)
    for name, value in _tuning(settings).items():
        environment.setdefault(name, value)
    places = Places(settings.home)
    logs = places.airflow / "logs"
    address = f"http://{HOST}:{airflow_port}"
    environment.update(
        {
            "AIRFLOW_HOME": str(places.airflow),
            "AIRFLOW__CORE__DAGS_FOLDER": str(settings.project / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.project / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": secrets.fernet_key,
            "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": str(not settings.warm_workers),
            # A caller's own variable must not make everybody an admin, nor show keys and stack traces to a browser.
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__API__EXPOSE_CONFIG": "False",
            "AIRFLOW__API__EXPOSE_STACKTRACE": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": _as_list(users_of(settings)),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(places.passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url("airflow"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": postgres.url("airflow", driver="asyncpg"),
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(airflow_port),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__API__SECRET_KEY": secrets.api_secret_key,
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt_secret,
            "AIRFLOW__API_AUTH__JWT_ISSUER": "slipstream",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(logs / "dag_processor"),
            "AIRFLOW_CONN_MLFLOW_DEFAULT": _connection_of(tracking_uri),
            "AIRFLOW_CONN_LAKE_DEFAULT": json.dumps({"conn_type": "lake", "extra": {"root": settings.lake}}),
            "MLFLOW_TRACKING_URI": tracking_uri,
            "SLIPSTREAM_MLFLOW_TRACKING_URI": tracking_uri,
            "SLIPSTREAM_AIRFLOW_URL": settings.airflow_url or address,
        }
    )
    return environment


def _tuning(settings: Settings) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__PARALLELISM": str(max(4, 2 * cores())),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "16",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": str(max(1, min(4, cores() // 2))),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__SCHEDULER__CATCHUP_BY_DEFAULT": "False",
        # With the default of 5 s four of ten finished tasks keep their slot 5 s longer: 1.6 tasks a second, not 4.3.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # A worker that was killed is noticed after so many seconds without a heartbeat; the default is 300.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "90",
        # The tasks of a scheduler that was killed are taken over by its successor within so many seconds, not 300.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "45",
        # The default of 5 s ends a task when the machine is busy for a moment; it would be tried again, but why.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        # 0.1 s would cost half a core at idle, the default of 1 s adds a second to each step of a chain.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    }


def mlflow_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of the MLflow server."""
    environment = base_environment(settings)
    # Ten processes and 2.4 GB otherwise, for a kind of job that nothing here uses.
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    # It asks for no login; this keeps pages of other sites, open in a browser of this machine, from speaking to it.
    environment["MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"] = "false"
    for name in ("MLFLOW_TRACKING_URI", "SLIPSTREAM_MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    return environment


def write_shell_environment(environment: Mapping[str, str], path: Path) -> None:
    """Write a file to ``source``, after which ``airflow`` and ``mlflow`` speak to this stack."""
    ours = {name for name, value in environment.items() if name.startswith(_OURS) or os.environ.get(name) != value}
    lines = [f"export {name}={shlex.quote(environment[name])}" for name in sorted(ours - _VOLATILE - {"PATH"})]
    head = "# Source this file, and `airflow` and `mlflow` speak to this stack. It holds its keys: keep it closed."
    tools = f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'
    write_atomically(path, "\n".join([head, "unset PYTHONDONTWRITEBYTECODE", tools, *lines]) + "\n")


def _settings_as_variables(settings: Settings) -> dict[str, str]:
    """Write the settings as the variables they are read from, so that each process sees what this one was given."""
    values = settings.model_dump(mode="json")
    given = {name: value for name, value in values.items() if value not in (None, "")}
    given.pop("signing_key", None)  # tasks run a team's code, and none of them exports
    return {f"SLIPSTREAM_{name.upper()}": _as_text(value) for name, value in given.items()}


def _as_list(users: Mapping[str, str]) -> str:
    return ",".join(f"{user}:{role}" for user, role in users.items())


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _connection_of(tracking_uri: str) -> str:
    """Write an MLflow address as an Airflow connection; scheme and host are both in ``host``."""
    scheme, _, rest = tracking_uri.partition("://")
    place, slash, path = rest.partition("/")
    who, _, place = place.rpartition("@")
    connection: dict[str, Any] = {"conn_type": "mlflow"}
    if who and scheme in ("http", "https"):  # apart, so that Airflow masks the password and no link shows it
        login, _, password = who.partition(":")
        connection |= {"login": unquote(login), "password": unquote(password)}
        tracking_uri = f"{scheme}://{place}{slash}{path}"
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdigit():
        return json.dumps({**connection, "host": tracking_uri})
    connection |= {"host": f"{scheme}://{host}", "port": int(port)}
    return json.dumps({**connection, "schema": path} if slash and path else connection)


def _with_local_host(names: str) -> str:
    """Keep talk between the services away from a proxy."""
    listed = [name for name in names.split(",") if name]
    return ",".join(dict.fromkeys([*listed, HOST, "localhost"]))
