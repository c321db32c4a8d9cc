"""Starting, stopping and looking at the whole embedded stack."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slipstream.errors import ServiceError, SettingsError
from slipstream.secrecy import without_logins
from slipstream.services import catalog, postgres
from slipstream.services.boot import PATIENCE, Boot, Progress, silent
from slipstream.services.credentials import users_of
from slipstream.services.places import Places, full_disk_explained
from slipstream.services.processes import family, terminate
from slipstream.services.record import Record, exclusive, forget, load_record
from slipstream.settings import Settings

GRACE = 15.0
"""Seconds that a service gets between being asked to end and being killed."""

ORPHAN_GRACE = 2.0
"""The same for what is left when its service has ended; Airflow's workers then ignore SIGTERM."""


@dataclass(frozen=True)
class Stack:
    """A running stack: where it is, and whether it ran before it was asked for."""

    airflow_url: str
    mlflow_url: str
    password_file: Path
    users: tuple[str, ...]
    shell_environment: Path
    started: tuple[str, ...]
    seconds: float

    @property
    def already_running(self) -> bool:
        return not self.started

    def as_dict(self) -> dict[str, Any]:
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class ServiceState:
    """One service as it is now."""

    name: str
    pid: int | None
    healthy: bool
    address: str
    log: str


@dataclass(frozen=True)
class ServicesState:
    """All services as they are now; ``services`` is empty where nothing was started."""

    home: str
    running: bool
    airflow_url: str
    mlflow_url: str
    password_file: str
    services: tuple[ServiceState, ...]

    @property
    def healthy(self) -> bool:
        return self.running and all(service.healthy for service in self.services)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "healthy": self.healthy}


def start(settings: Settings, *, progress: Progress = silent, patience: float = PATIENCE) -> Stack:
    """Start what does not run yet and wait until all is well; a failure or an interrupt stops what this call started.

    Args:
        settings: whose ``home``, ports and folders are used.
        progress: called with a service's name and its event: ``starting``, ``healthy``, ``running`` or ``failed``.
        patience: seconds that the services get to become well.

    Raises:
        SettingsError: a wanted port is in use, or the home cannot be used.
        ServiceError: a service ended or did not become well, the disk is full, or another `up` or `down` is at work.
    """
    if settings.environment == "prod":
        message = (
            "SLIPSTREAM_ENVIRONMENT is prod, and the embedded services are not for that: passwords in a file, an "
            "MLflow that asks for no login, one machine. Start docker-compose.yml instead."
        )
        raise SettingsError(message)
    places = Places(settings.home)
    places.create()
    began = time.monotonic()
    with exclusive(places), full_disk_explained(places.home):
        record = load_record(places)
        if record is None or not _worth_keeping(record):
            _stop_all(places, record, silent)
            record = None
        boot = Boot(settings, record=record, progress=progress, patience=patience)
        record = boot.run()
    return Stack(
        airflow_url=catalog.airflow_address(record),
        mlflow_url=without_logins(catalog.mlflow_address(settings, record)),
        password_file=places.passwords,
        users=tuple(users_of(settings)),
        shell_environment=places.shell_environment,
        started=boot.started,
        seconds=round(time.monotonic() - began, 1),
    )


def stop(settings: Settings, *, progress: Progress = silent) -> tuple[str, ...]:
    """Stop every process of the home's stack, also those that a crash left; return the services that were running."""
    places = Places(settings.home)
    if not places.home.is_dir():
        return ()
    with exclusive(places):
        return _stop_all(places, load_record(places), progress)


def state(settings: Settings) -> ServicesState:
    """Look at every service, changing nothing."""
    places = Places(settings.home)
    record = load_record(places)
    if record is None:
        return ServicesState(str(places.home), False, "", "", str(places.passwords), ())
    cluster = postgres.Postgres(folder=places.postgres, sockets=Path(record.sockets))
    services = []
    for name, service in catalog.catalog(settings, record, cluster).items():
        started = record.services.get(name)
        pid = started.pid if started and started.alive else None
        well = started is not None and pid is not None and service.well(started.since)
        services.append(ServiceState(name, pid, well, service.address, str(places.log(name))))
    return ServicesState(
        home=str(places.home),
        running=all(service.pid is not None for service in services),
        airflow_url=catalog.airflow_address(record),
        mlflow_url=without_logins(catalog.mlflow_address(settings, record)),
        password_file=str(places.passwords),
        services=tuple(services),
    )


def airflow_command(settings: Settings) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the start of an ``airflow`` command line that speaks to the running stack, and its environment.

    Raises:
        ServiceError: nothing was started here.
    """
    places = Places(settings.home)
    record = load_record(places)
    if record is None:
        message = f"No services run in {places.home}. Run `slipstream up` first."
        raise ServiceError(message)
    cluster = postgres.Postgres(folder=places.postgres, sockets=Path(record.sockets))
    return catalog.executable("airflow"), catalog.environment_of(settings, record, cluster)


def _worth_keeping(record: Record) -> bool:
    """Tell whether a partly dead stack can be completed; without its database the living parts are lost too."""
    database = record.services.get("postgres")
    return database is not None and database.alive


def _stop_all(places: Places, record: Record | None, progress: Progress) -> tuple[str, ...]:
    """End all that belongs to a home in the order in which parts need each other, then forget that it ran."""
    leaders = record.leaders() if record else {}
    everything = family(leaders, places.token)
    stopped: list[str] = []
    for together in catalog.STOPPING:
        running = [name for name in together if record and name in record.services and record.services[name].alive]
        for name in running:
            progress(name, "stopping")
        _stop_together(places, record, together)
        for name in running:
            progress(name, "stopped")
        stopped.extend(running)
    terminate(everything | family(leaders, places.token), grace=ORPHAN_GRACE)
    forget(places, record)
    return tuple(stopped)


def _stop_together(places: Places, record: Record | None, together: tuple[str, ...]) -> None:
    if "postgres" in together:
        postgres.stop_server(places.postgres / "data", grace=GRACE)
    started = [record.services[name] for name in together if record and name in record.services]
    everything = family({part.pid: part.known for part in started})
    # Each leader ends its own children in good order; told all at once, some wait for one another.
    terminate({process for process in everything if process.pid in {p.pid for p in started if p.alive}}, grace=GRACE)
    terminate(everything, grace=ORPHAN_GRACE)
