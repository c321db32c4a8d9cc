"""The services of the embedded stack: how each is started, and how it shows that it is well."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from slipstream.errors import SettingsError
from slipstream.services.credentials import load_secrets
from slipstream.services.environment import airflow_environment, base_environment, mlflow_environment
from slipstream.services.places import Places
from slipstream.services.ports import HOST
from slipstream.services.postgres import Postgres
from slipstream.services.record import Record
from slipstream.settings import Settings

AIRFLOW_PARTS = {
    "api-server": ("metadatabase", ("api-server",)),
    "dag-processor": ("dag_processor", ("dag-processor",)),
    # The log servers of these two listen on every address and cannot be told not to: the API reads the files itself.
    "scheduler": ("scheduler", ("scheduler", "--skip-serve-logs")),
    "triggerer": ("triggerer", ("triggerer", "--skip-serve-logs")),
}
"""Service to its name in Airflow's health report, and its command."""

STOPPING = (("triggerer", "dag-processor", "scheduler"), ("api-server", "mlflow"), ("postgres",))
"""What stops together: tasks report to the API until they have ended, and all need the database."""


@dataclass(frozen=True)
class Service:
    """One long-running process with its health: ``well`` is asked with the time (seconds since 1970) of its start."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    address: str
    well: Callable[[float], bool]


def names(settings: Settings) -> tuple[str, ...]:
    """Return the services of these settings in starting order; none is MLflow where the user has a server."""
    mlflow = () if settings.mlflow_tracking_uri else ("mlflow",)
    return ("postgres", *mlflow, *AIRFLOW_PARTS)


def mlflow_address(settings: Settings, record: Record) -> str:
    """Return where this stack's MLflow is."""
    return settings.mlflow_tracking_uri or f"http://{HOST}:{record.mlflow_port}"


def airflow_address(record: Record) -> str:
    """Return where this stack's Airflow is."""
    return f"http://{HOST}:{record.airflow_port}"


def environment_of(settings: Settings, record: Record, postgres: Postgres) -> dict[str, str]:
    """Return the environment of Airflow for a stack that was started with ``record``."""
    return airflow_environment(
        settings,
        airflow_port=record.airflow_port,
        tracking_uri=mlflow_address(settings, record),
        postgres=postgres,
        secrets=load_secrets(Places(settings.home)),
    )


def catalog(settings: Settings, record: Record, postgres: Postgres) -> dict[str, Service]:
    """Describe every service of a stack."""
    environment = environment_of(settings, record, postgres)
    made = {name: _airflow(name, record, environment) for name in AIRFLOW_PARTS}
    made |= {"postgres": _postgres(settings, postgres), "mlflow": _mlflow(settings, record, postgres)}
    return {name: made[name] for name in names(settings)}


def _postgres(settings: Settings, postgres: Postgres) -> Service:
    return Service(
        name="postgres",
        command=postgres.command,
        environment=base_environment(settings),
        address=str(postgres.sockets),
        well=lambda since: postgres.answers(),
    )


def _mlflow(settings: Settings, record: Record, postgres: Postgres) -> Service:
    address = mlflow_address(settings, record)
    places = Places(settings.home)
    options = {
        "--host": HOST,
        "--port": str(record.mlflow_port),
        "--workers": "1",
        "--backend-store-uri": postgres.url("mlflow"),
        "--artifacts-destination": places.artifacts.as_uri(),
    }
    arguments = [part for option in options.items() for part in option]
    return Service(
        name="mlflow",
        command=(*executable("mlflow"), "server", "--serve-artifacts", *arguments),
        environment=mlflow_environment(settings),
        address=address,
        well=lambda since: fetch(f"{address}/health") is not None,
    )


def _airflow(name: str, record: Record, environment: Mapping[str, str]) -> Service:
    reported, arguments = AIRFLOW_PARTS[name]
    address = airflow_address(record)
    return Service(
        name=name,
        command=(*executable("airflow"), *arguments),
        environment=environment,
        address=address if name == "api-server" else "",
        well=lambda since: reports_well(fetch(f"{address}/api/v2/monitor/health"), reported, since),
    )


def reports_well(answer: bytes | None, part: str, since: float) -> bool:
    """Tell whether Airflow's health report names a part healthy, by a heartbeat of this start and not of one before."""
    try:
        report: dict[str, Any] = json.loads(answer or b"{}").get(part) or {}
    except ValueError:
        return False
    if report.get("status") != "healthy":
        return False
    heartbeat = next((value for name, value in report.items() if name.startswith("latest_")), None)
    return heartbeat is None or datetime.fromisoformat(heartbeat).timestamp() >= since


def fetch(url: str, *, timeout: float = 5) -> bytes | None:
    """Return what an address of this machine answers; None where it does not answer well. No proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            return bytes(answer.read())
    except (OSError, urllib.error.URLError, ValueError):
        return None


def executable(name: str) -> tuple[str, ...]:
    """Return the command of an installed tool, the one that lies next to this Python."""
    script = Path(sys.executable).parent / name
    if not script.is_file():
        message = f"{name} is not installed next to {sys.executable}. Install the project again (`make`)."
        raise SettingsError(message)
    return (sys.executable, str(script))
