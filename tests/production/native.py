"""The services of docker-compose.yml without containers: the same commands and environments, other hosts and folders.

What the file says is read from the file. Here stands only what a container would give: a host name becomes 127.0.0.1
with a free port, /opt/slipstream the repository, /var/lib/slipstream a folder of the service's own, and a service that
ends is started again, as ``restart: unless-stopped`` would.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from proxy import Proxy
from servers import Postgres, Redis

from slipstream.services.catalog import fetch
from slipstream.services.ports import HOST, free_port
from slipstream.services.processes import family, identity, last_lines, spawn, terminate, wait_until

PROJECT = Path(__file__).resolve().parents[2]
PORTS = {"postgres": 5432, "redis": 6379, "s3": 8333, "mlflow": 5000, "api-server": 8080}
AIRFLOW = ("api-server", "dag-processor", "scheduler", "triggerer")
WORKERS = ("worker-1", "worker-2")
PATIENCE = 600.0

# The process of a task; the one that watches over it has another name.
TASK = re.compile(r"airflow worker -- [0-9a-f]{8}-")


@dataclass
class Running:
    """A process that is kept running."""

    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    wanted: bool = True
    starts: int = 1


@dataclass
class Native:
    """One whole stack below ``home``.

    Attributes:
        compose: docker-compose.yml, its variables filled in.
        ports: What each service listens on, by its name.
    """

    home: Path
    compose: dict[str, Any]
    ports: dict[str, int]
    running: dict[str, Running] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._over = threading.Event()
        self.dags = self.home / "dags"  # a copy, so that a test may put a DAG of a team's own beside ours
        shutil.copytree(PROJECT / "dags", self.dags, ignore=shutil.ignore_patterns("__pycache__"))
        self.moto_port = free_port(taken=frozenset(self.ports.values()))
        self.s3 = Proxy(self.ports["s3"], self.moto_port)
        self.redis = Redis(
            config=PROJECT / "deploy" / "redis.conf",
            port=self.ports["redis"],
            password=self.environment("redis")["REDIS_PASSWORD"],
            data=self.home / "redis",
            log=self.log("redis"),
        )
        self.postgres = Postgres(
            home=self.home / "postgres",
            port=self.ports["postgres"],
            options=self.command("postgres")[1:],
            environment=self.environment("postgres"),
            script=PROJECT / "deploy" / "postgres" / "databases.sh",
        )

    # --- what the file says, as it is here

    def environment(self, service: str, *, name: str = "") -> dict[str, str]:
        """Return a service's environment; nothing of this process' own but where programs and libraries are."""
        given = {key: str(value) for key, value in self.compose["services"][service].get("environment", {}).items()}
        here = {key: self._here(value, service, name or service) for key, value in given.items()}
        kept = {key: os.environ[key] for key in ("PYTHONPATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {**kept, "PATH": path, "NO_PROXY": "127.0.0.1,localhost", **here}

    def command(self, service: str) -> list[str]:
        words = [self._here(str(word), service, service) for word in self.compose["services"][service]["command"]]
        return [sys.executable, *words[1:]] if words[0] == "python" else words

    def folder(self, name: str) -> Path:
        place = self.home / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _here(self, text: str, service: str, name: str) -> str:
        if text == "0.0.0.0":  # noqa: S104 - what the container listens on
            return HOST
        if service in PORTS and text == str(PORTS[service]):
            return str(self.ports[service])
        if service in PORTS:
            text = text.replace(f"{HOST}:{PORTS[service]}/", f"{HOST}:{self.ports[service]}/")
        for host, port in PORTS.items():
            text = re.sub(rf"(?<![\w.-]){host}:{port}\b", f"{HOST}:{self.ports[host]}", text)
        text = text.replace("/opt/slipstream/dags", str(self.dags))
        return text.replace("/opt/slipstream", str(PROJECT)).replace("/var/lib/slipstream", str(self.folder(name)))

    # --- starting

    def start(self) -> None:
        self.postgres.create()
        self.redis.start()
        self._start_s3()
        for once in ("prepare", "migrate"):
            done = subprocess.run(
                self.command(once), env=self.environment(once), cwd=PROJECT, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{once}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        self._keep("mlflow", self.environment("mlflow"), self.command("mlflow"))
        for service in AIRFLOW:
            self._keep(service, self.environment(service), self.command(service))
        for name in WORKERS:
            command = [*self.command("worker"), "--celery-hostname", f"{name}@%h"]
            self._keep(name, self.environment("worker", name=name), command)
        threading.Thread(target=self._supervise, daemon=True).start()
        self.await_well()

    def await_well(self) -> None:
        """Wait until every service is well, with the health checks of the file."""
        for service in ("mlflow", *AIRFLOW):
            test = self.compose["services"][service]["healthcheck"]["test"][1:]
            command = [self._here(word, service, service) for word in test]
            command[0] = sys.executable

            def well(command: list[str] = command) -> bool:
                return subprocess.run(command, capture_output=True, check=False).returncode == 0

            assert wait_until(well, PATIENCE, pause=1), f"{service}:\n{last_lines(self.log(service), 40)}"

    def _keep(self, name: str, environment: Mapping[str, str], command: list[str]) -> None:
        log = self.log(name)

        def start() -> subprocess.Popen[bytes]:
            return spawn(command, environment=environment, log=log, folder=PROJECT)

        self.running[name] = Running(start, start())

    def log(self, name: str) -> Path:
        return self.folder("logs") / f"{name}.log"

    def _supervise(self) -> None:
        """Start again what has ended, a second later, unless it was stopped on purpose."""
        while not self._over.wait(1):
            with self._lock:
                for each in self.running.values():
                    if each.wanted and each.process.poll() is not None:
                        each.process = each.start()
                        each.starts += 1

    def _start_s3(self) -> None:
        command = [str(Path(sys.executable).parent / "moto_server"), "-H", HOST, "-p", str(self.moto_port)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder("s3"))}
        self._keep("s3", environment, command)
        assert wait_until(lambda: fetch(f"http://{HOST}:{self.moto_port}/moto-api/") is not None, PATIENCE), "s3"
        self.s3.open()

    # --- faults

    def kill(self, name: str) -> None:
        """End a service and all that came of it at once, as a machine does that is switched off."""
        with self._lock:
            pid = self.running[name].process.pid
            for process in family({pid: identity(pid) or ""}):
                process.send_signal(signal.SIGKILL)

    def kill_at_work(self) -> str:
        """Kill the first worker that is found at work on a task, and return its name."""
        found: list[str] = []

        def killed() -> bool:
            for name in WORKERS:
                for task in self.tasks_of(name):
                    with suppress(psutil.Error):
                        task.suspend()  # it may not end well while its worker is being killed
                        self.kill(name)
                        found.append(name)
                        return True
            return False

        assert wait_until(killed, PATIENCE, pause=0.02), "no task was found at work"
        return found[0]

    def hold(self, *names: str) -> None:
        """Have services dead, and not started again."""
        with self._lock:
            for name in names:
                self.running[name].wanted = False
                self.kill(name)

    def release(self, *names: str) -> None:
        """Have services that were held started again."""
        with self._lock:
            for name in names:
                self.running[name].wanted = True

    def tasks_of(self, name: str) -> list[psutil.Process]:
        """Return the processes of a worker that run a task now."""
        worker = psutil.Process(self.running[name].process.pid)
        return [each for each in worker.children(recursive=True) if _is_task(each)]

    def stop(self) -> None:
        """End everything."""
        self._over.set()
        with self._lock:
            leaders = {each.process.pid: identity(each.process.pid) or "" for each in self.running.values()}
        everything = family(leaders)
        terminate({each for each in everything if each.pid in leaders}, grace=10)
        terminate(everything | family(leaders), grace=2)
        self.s3.shut()
        for end in (self.redis.stop, self.postgres.stop):
            with suppress(Exception):  # it may not have come so far
                end()


def _is_task(process: psutil.Process) -> bool:
    try:
        return TASK.match(" ".join(process.cmdline())) is not None
    except psutil.Error:
        return False


def wait(condition: Callable[[], bool], seconds: float, what: str, *, every: float = 1.0) -> None:
    """Ask until it holds; an error counts as no."""
    deadline, last = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except Exception as error:  # a service that was taken away is no reason to give up waiting
            last = f" ({type(error).__name__}: {error})"
        time.sleep(every)
    raise AssertionError(f"not within {seconds:.0f} s: {what}{last}")
