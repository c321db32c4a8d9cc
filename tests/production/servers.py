"""PostgreSQL and Redis of the distribution, started and stopped as the tests want it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from slipstream.services.ports import HOST
from slipstream.services.processes import last_lines, wait_until

PATIENCE = 300.0


@dataclass
class Redis:
    """Redis with a configuration file, a password and a folder for what it keeps."""

    config: Path
    port: int
    password: str
    data: Path
    log: Path

    def start(self) -> None:
        self.data.mkdir(exist_ok=True)
        lines = [
            f"include {self.config}",
            f"requirepass {self.password}",
            f"bind {HOST}",
            f"port {self.port}",
            f"dir {self.data}",
        ]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [program("redis-server", "redis-server"), "-"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        assert self._process.stdin
        self._process.stdin.write("\n".join(lines).encode())
        self._process.stdin.close()
        well = wait_until(lambda: answers(self.port) or self._process.poll() is not None, PATIENCE)
        ended = self._process.poll() is not None
        assert well, "Redis did not answer."
        assert not ended, last_lines(self.log)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)

    def lose_message(self) -> bool:
        """Take a task's message off its queue, as a worker does whose connection then breaks; False: none is there."""
        with redis.Redis(host=HOST, port=self.port, password=self.password) as client:
            return client.rpop("default") is not None


@dataclass
class Postgres:
    """A cluster below ``home``, which becomes its user's own where we are root: PostgreSQL refuses to be root.

    Attributes:
        options: What follows ``postgres`` on its command line.
        environment: What the container would be given: passwords, and arguments of initdb.
        script: Makes the databases and their users, once.
    """

    home: Path
    port: int
    options: Sequence[str]
    environment: Mapping[str, str]
    script: Path

    def create(self) -> None:
        secret = self.home / "superuser"
        (self.home / "run").mkdir(parents=True)
        secret.write_text(self.environment["POSTGRES_PASSWORD"])
        secret.chmod(0o600)
        _give_to_postgres(self.home)
        arguments = self.environment["POSTGRES_INITDB_ARGS"].split()
        self._run("initdb", "--pgdata", self.home / "data", "--username=postgres", "--encoding=UTF8",
                  "--no-instructions", f"--pwfile={secret}", *arguments)  # fmt: skip
        self.start()
        connection = {"PGHOST": HOST, "PGPORT": str(self.port)}
        command = ["sh", str(self.script)]
        done = subprocess.run(
            command, env={**self.environment, **connection}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{self.script}:\n{done.stdout}{done.stderr}"

    def start(self) -> None:
        places = ["-c", f"listen_addresses={HOST}", "-c", f"port={self.port}",
                  "-c", f"unix_socket_directories={self.home / 'run'}"]  # fmt: skip
        self._run("pg_ctl", "start", "-w", "-s", "-D", self.home / "data", "-l", self.home / "log", "-o",
                  " ".join([*self.options, *places]))  # fmt: skip

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", self.home / "data")

    def _run(self, name: str, *words: Any) -> None:
        """Run a command of PostgreSQL's, as its own user where we are root."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*prefix, str(_binaries() / name), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=300, check=False)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


def answers(port: int) -> bool:
    import socket

    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed. On Debian: apt-get install {package} (.ci/run does it)."
    return found


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    return Path(program("postgres", "postgresql")).parent


def _give_to_postgres(folder: Path) -> None:
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "postgres", "postgres")
    for parent in folder.parents:
        readable = parent.stat().st_mode & 0o001
        assert readable or parent.stat().st_uid != 0, f"PostgreSQL's user may not enter {parent}; set TMPDIR."
