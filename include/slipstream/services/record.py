"""What is remembered of a running stack between commands, and the lock that lets one command at a time work on it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from slipstream.errors import ServiceError
from slipstream.services.places import Places, write_atomically
from slipstream.services.processes import identity


@dataclass(frozen=True)
class Started:
    """A process that was started: ``known`` names it beyond its pid, ``since`` is in seconds since 1970."""

    pid: int
    known: str
    since: float

    @property
    def alive(self) -> bool:
        return identity(self.pid) == self.known


@dataclass(frozen=True)
class Record:
    """A stack as it was started."""

    sockets: str
    airflow_port: int
    mlflow_port: int | None
    services: dict[str, Started] = field(default_factory=dict)

    def with_service(self, name: str, started: Started) -> Record:
        return replace(self, services={**self.services, name: started})

    def save(self, places: Places) -> None:
        write_atomically(places.record, json.dumps(asdict(self), indent=2) + "\n")

    def leaders(self) -> dict[int, str]:
        return {started.pid: started.known for started in self.services.values()}


def load_record(places: Places) -> Record | None:
    """Return what the last `up` wrote; None where nothing, or nothing readable, is there."""
    try:
        raw: dict[str, Any] = json.loads(places.record.read_text(encoding="utf-8"))
        services = {name: Started(**started) for name, started in raw.pop("services").items()}
        return Record(**raw, services=services)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def forget(places: Places, record: Record | None) -> None:
    """Remove what describes a running stack, and the socket folder where that is outside the home."""
    for path in (places.record, places.mlflow_address, places.airflow_address, places.shell_environment):
        path.unlink(missing_ok=True)
    sockets = Path(record.sockets) if record else places.postgres
    if sockets != places.postgres and sockets.name.startswith("slipstream-") and sockets.is_dir():
        for path in sockets.glob(".s.PGSQL.*"):
            path.unlink(missing_ok=True)
        if not any(sockets.iterdir()):
            sockets.rmdir()


@contextmanager
def exclusive(places: Places) -> Iterator[None]:
    """Hold the home's lock; ServiceError where another `up` or `down` holds it. The kernel drops it with its holder."""
    places.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with places.lock.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            message = f"Another `slipstream up` or `down` (process {holder}) works on {places.home}. Wait for its end."
            raise ServiceError(message) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
