"""Where the services keep their files, all below ``SLIPSTREAM_HOME``."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipstream.errors import ServiceError, SettingsError

MINIMUM_FREE_BYTES = 300 * 1024 * 1024
"""A fresh PostgreSQL with both schemas takes about 120 MB; below this a start would only half succeed."""


@dataclass(frozen=True)
class Places:
    """The files and folders of one home."""

    home: Path

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def artifacts(self) -> Path:
        return self.home / "mlflow" / "artifacts"

    @property
    def record(self) -> Path:
        return self.run / "state.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def secrets(self) -> Path:
        return self.run / "secrets.json"

    @property
    def shell_environment(self) -> Path:
        return self.run / "env.sh"

    @property
    def mlflow_address(self) -> Path:
        return self.run / "mlflow.url"

    @property
    def airflow_address(self) -> Path:
        return self.run / "airflow.url"

    @property
    def passwords(self) -> Path:
        return self.airflow / "simple_auth_manager_passwords.json.generated"

    @property
    def token(self) -> str:
        """The mark in the environment of every process of this home; it needs no file, so it outlives all of them."""
        return str(self.home)

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def create(self) -> None:
        """Make the folders, for their owner alone; existing ones stay as they are.

        Of root's, others may pass through the home, but not look: PostgreSQL then runs as somebody else.

        Raises:
            SettingsError: the home cannot be created or written.
            ServiceError: its disk is full.
        """
        with full_disk_explained(self.home):
            try:
                self.home.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)
                for folder in (self.run, self.postgres, self.airflow, self.logs, self.cache, self.artifacts.parent):
                    folder.mkdir(mode=0o700, exist_ok=True)
                self.artifacts.mkdir(mode=0o700, exist_ok=True)
            except (PermissionError, FileExistsError, NotADirectoryError) as error:
                message = f"{self.home} cannot hold the services: {error}. Set SLIPSTREAM_HOME to a folder of yours."
                raise SettingsError(message) from error
            free = shutil.disk_usage(self.home).free
        if free < MINIMUM_FREE_BYTES:
            raise ServiceError(_full_disk(self.home, free))


@contextmanager
def full_disk_explained(home: Path) -> Iterator[None]:
    """Turn "no space left on device" into an error that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ServiceError(_full_disk(home, 0)) from error


def _full_disk(home: Path, free: int) -> str:
    wanted = MINIMUM_FREE_BYTES // 2**20
    return (
        f"The disk of {home} is full: {free // 2**20} MB are free, at least {wanted} MB are wanted. "
        "Free some space, or set SLIPSTREAM_HOME to a folder on another disk; then run `slipstream up` again."
    )


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace a file in one step, so that a reader, or a crash, never meets half of it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode("utf-8") if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
