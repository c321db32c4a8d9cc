"""One start of the stack: every part that is not there yet, each waited for, all undone when one fails."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from slipstream.errors import ServiceError
from slipstream.services import catalog, postgres
from slipstream.services.credentials import ensure_passwords, users_of
from slipstream.services.environment import write_shell_environment
from slipstream.services.places import Places, write_atomically
from slipstream.services.ports import choose
from slipstream.services.processes import TOKEN_VARIABLE, family, identity, last_lines, spawn, terminate, wait_until
from slipstream.services.record import Record, Started, forget
from slipstream.settings import Settings

PATIENCE = 300.0
"""Seconds that the services get to become well; they need 10 to 30 on two idle cores."""

Progress = Callable[[str, str], None]


def silent(service: str, event: str) -> None:
    """Show no progress."""


class Boot:
    """Brings the stack of ``settings`` up, from nothing or from what of ``record`` is still alive."""

    def __init__(self, settings: Settings, *, record: Record | None, progress: Progress, patience: float) -> None:
        self._settings = settings
        self._places = Places(settings.home)
        self._progress = progress
        self._deadline = time.monotonic() + patience
        self._patience = patience
        self._fresh = record is None
        self._kept = set() if record is None else {name for name, part in record.services.items() if part.alive}
        self._helpers: dict[int, str] = {}
        ports = (record.airflow_port, record.mlflow_port) if record else self._choose_ports()
        self._cluster = postgres.open_cluster(self._places.postgres, sockets=Path(record.sockets) if record else None)
        self._record = record or Record(str(self._cluster.sockets), *ports)

    @property
    def started(self) -> tuple[str, ...]:
        """The services that this boot started, in order."""
        return tuple(name for name in catalog.names(self._settings) if name not in self._kept)

    def run(self) -> Record:
        """Start what is missing, wait until all is well, and return the record; on any failure undo and raise."""
        try:
            self._record.save(self._places)
            self._start()
        except BaseException:
            with _uninterrupted():
                self._undo()
            raise
        return self._record

    def _choose_ports(self) -> tuple[int, int | None]:
        settings = self._settings
        airflow = choose(settings.airflow_port, default=8080, setting="SLIPSTREAM_AIRFLOW_PORT")
        if "mlflow" not in catalog.names(settings):
            return airflow, None
        taken = frozenset({airflow})
        return airflow, choose(settings.mlflow_port, default=5000, setting="SLIPSTREAM_MLFLOW_PORT", taken=taken)

    def _start(self) -> None:
        services = catalog.catalog(self._settings, self._record, self._cluster)
        ensure_passwords(self._places, users_of(self._settings))
        for name in sorted(self._kept, key=list(services).index):
            self._progress(name, "running")
        if "postgres" not in self._kept:
            self._cluster.prepare(postgres.run_to_end)
            self._launch(services["postgres"])
        self._await(services["postgres"])
        self._cluster.create_databases()
        if "mlflow" in services:
            self._launch(services["mlflow"])
        self._migrate()
        for name in catalog.AIRFLOW_PARTS:
            self._launch(services[name])
        self._write_addresses()
        self._await_all([service for name, service in services.items() if name != "postgres"])

    def _launch(self, service: catalog.Service) -> None:
        """Start a service that does not run, after clearing what is left of its last process."""
        if service.name in self._kept:
            return
        before = self._record.services.get(service.name)
        if before is not None:
            terminate(family({before.pid: before.known}), grace=5)
        self._progress(service.name, "starting")
        since = time.time()
        log = self._fresh_log(service.name)
        environment = {**service.environment, TOKEN_VARIABLE: self._places.token}
        process = spawn(service.command, environment=environment, log=log, folder=self._places.home)
        started = Started(pid=process.pid, known=identity(process.pid) or "", since=since)
        self._record = self._record.with_service(service.name, started)
        self._record.save(self._places)

    def _fresh_log(self, name: str) -> Path:
        """Return a service's empty log; the one of the start before is kept beside it."""
        log = self._places.log(name)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        return log

    def _await(self, service: catalog.Service) -> None:
        self._await_all([service])

    def _await_all(self, services: list[catalog.Service]) -> None:
        """Wait until each service is well; raise as soon as one has ended."""
        waiting = {service.name: service for service in services}

        def all_well() -> bool:
            for name, service in list(waiting.items()):
                started = self._record.services[name]
                if not started.alive:
                    raise ServiceError(self._death_of(name))
                if service.well(started.since):
                    del waiting[name]
                    if name not in self._kept:
                        self._progress(name, "healthy")
            return not waiting

        if not wait_until(all_well, self._deadline - time.monotonic(), pause=0.2):
            name = next(iter(waiting))
            self._progress(name, "failed")
            remedy = "Run `slipstream down`, then `slipstream up`." if name in self._kept else "Look at its log."
            message = f"{name} did not become well within {self._patience:.0f} s. {remedy} {self._tail_of(name)}"
            raise ServiceError(message)

    def _migrate(self) -> None:
        """Bring Airflow's tables to the installed version; the stamp lies beside the database that it speaks of."""
        stamp = self._places.postgres / "migrated"
        wanted = f"apache-airflow {version('apache-airflow')}\n"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return
        self._progress("migration", "starting")
        environment = catalog.environment_of(self._settings, self._record, self._cluster)
        process = spawn(
            (*catalog.executable("airflow"), "db", "migrate"),
            environment={**environment, TOKEN_VARIABLE: self._places.token},
            log=self._fresh_log("migration"),
            folder=self._places.home,
        )
        self._helpers[process.pid] = identity(process.pid) or ""
        if not wait_until(lambda: process.poll() is not None, self._deadline - time.monotonic(), pause=0.1):
            message = f"`airflow db migrate` did not end within {self._patience:.0f} s. {self._tail_of('migration')}"
            raise ServiceError(message)
        if process.returncode != 0:
            raise ServiceError(self._death_of("migration"))
        write_atomically(stamp, wanted)
        self._progress("migration", "healthy")

    def _write_addresses(self) -> None:
        environment = catalog.environment_of(self._settings, self._record, self._cluster)
        write_shell_environment(environment, self._places.shell_environment)
        addresses = {self._places.airflow_address: catalog.airflow_address(self._record)}
        if self._record.mlflow_port is not None:
            addresses[self._places.mlflow_address] = catalog.mlflow_address(self._settings, self._record)
        for path, address in addresses.items():
            write_atomically(path, address + "\n")

    def _death_of(self, name: str) -> str:
        self._progress(name, "failed")
        return f"{name} ended while the services were starting. {self._tail_of(name)}"

    def _tail_of(self, name: str) -> str:
        log = self._places.log(name)
        tail = last_lines(log)
        full = "The disk is full: free some space, then run `slipstream up` again. " if "No space left" in tail else ""
        return f"{full}The end of {log}:\n{tail}"

    def _undo(self) -> None:
        """Stop what this boot started; what ran before it runs on."""
        mine = {part.pid: part.known for name, part in self._record.services.items() if name not in self._kept}
        mine |= self._helpers
        database = postgres.postmaster(self._cluster.data)
        others = {process for process in family(mine, None) if not self._is_database(process.pid, database)}
        terminate(others, grace=5)
        if self._fresh:
            if database is not None:
                postgres.stop_server(self._cluster.data, grace=10)
            terminate(family(mine, self._places.token), grace=5)
            forget(self._places, self._record)

    def _is_database(self, pid: int, database: int | None) -> bool:
        """Leave PostgreSQL's processes out: it ends its own when it is asked to."""
        if database is None:
            return False
        import psutil

        try:
            return pid == database or psutil.Process(pid).ppid() == database
        except psutil.Error:
            return False


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold interrupts off while cleaning up: a second Ctrl-C must not leave half of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
