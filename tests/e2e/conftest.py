"""The whole stack, started once a session in a home of its own, on ports that nobody else has; and a replay in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest

from slipstream import services
from slipstream.definitions import Definitions, load_definitions
from slipstream.demo.api import AirflowApi
from slipstream.demo.steps import Demo, Plan
from slipstream.example import publish
from slipstream.intervals import utc
from slipstream.lake import Lake
from slipstream.services.ports import free_port
from slipstream.settings import Settings, get_settings

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunningStack:
    """A running stack as a test sees it: its settings, its addresses, its ``airflow`` command, its REST API."""

    settings: Settings
    airflow_url: str
    mlflow_url: str
    seconds: float
    environment: dict[str, str]

    def airflow(self, *arguments: str, timeout: float = 120) -> str:
        """Run the ``airflow`` command against the stack and return what it prints."""
        prefix, environment = services.airflow_command(self.settings)
        done = subprocess.run(
            [*prefix, *arguments], env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"airflow {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def password(self, user: str) -> str:
        path = self.settings.home / "airflow" / "simple_auth_manager_passwords.json.generated"
        return str(json.loads(path.read_text(encoding="utf-8"))[user])

    def call(self, method: str, path: str, body: Any = None, *, user: str = "admin") -> Any:
        """Call Airflow's REST API, ``path`` below the address, as a user; return the JSON answer."""
        token = self._request("POST", "/auth/token", {"username": user, "password": self.password(user)}, {})
        return self._request(method, path, body, {"Authorization": f"Bearer {token['access_token']}"})

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.airflow_url + path, data=data, method=method, headers={"Content-Type": "application/json", **headers}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Start everything, for all tests of the session; its variables are this process's too while it runs.

    The definitions are a copy, which a test may change.
    """
    home = tmp_path_factory.mktemp("a home") / "slip"
    airflow_port = free_port()
    mlflow_port = free_port(taken=frozenset({airflow_port}))
    definitions = home.parent / "definitions"
    for part in ("sources", "features", "models"):
        shutil.copytree(PROJECT / "include" / part, definitions / part)
    chosen = {"home": home, "project": PROJECT, "definitions": definitions, "users": "ada:op"}
    settings = Settings(**chosen, airflow_port=airflow_port, mlflow_port=mlflow_port)
    before = dict(os.environ)
    for name, value in {**chosen, "airflow_port": airflow_port, "mlflow_port": mlflow_port}.items():
        os.environ[f"SLIPSTREAM_{name.upper()}"] = str(value)
    get_settings.cache_clear()
    try:
        running = services.start(settings)
        _, environment = services.airflow_command(settings)
        yield RunningStack(settings, running.airflow_url, running.mlflow_url, running.seconds, environment)
    finally:
        services.stop(settings)
        os.environ.clear()
        os.environ.update(before)
        get_settings.cache_clear()


PLAN = Plan(
    first_day=date(2013, 1, 1),
    last_day=date(2013, 1, 20),
    trainings=(utc("2013-01-14"), utc("2013-01-21")),
    models=("air_time",),
)

# The process of a task. Its parent, which waits for work, is named likewise, without an id. Killed while it waits, it
# takes the queue's lock with it, and no other worker of the LocalExecutor gets work until the scheduler is restarted.
TASK = re.compile(r"airflow worker -- [0-9a-f]{8}-")


class Silent:
    def step(self, name: str, total: int | None) -> None: ...
    def advance(self, name: str, done: int) -> None: ...
    def finish(self, name: str, seconds: float) -> None: ...
    def note(self, text: str) -> None: ...


class Killer(threading.Thread):
    """Kills the first task process that it finds at work on a task, as the kernel would when memory ends."""

    def __init__(self, scheduler: int) -> None:
        super().__init__(daemon=True)
        self._scheduler, self.killed, self.over = psutil.Process(scheduler), 0, False

    def run(self) -> None:
        while not self.over and not self.killed:
            for process in self._scheduler.children(recursive=True):
                with suppress(psutil.Error):
                    if TASK.match(" ".join(process.cmdline())):
                        os.kill(process.pid, signal.SIGKILL)
                        self.killed = process.pid
                        return
            time.sleep(0.05)


@pytest.fixture(scope="session")
def kill_a_task(stack: RunningStack) -> Callable[[], AbstractContextManager[Callable[[], bool]]]:
    """Kill one task process with SIGKILL while the block runs: ``with kill_a_task() as killed: ...``."""

    @contextmanager
    def killing() -> Iterator[Callable[[], bool]]:
        scheduler = next(each.pid for each in services.state(stack.settings).services if each.name == "scheduler")
        assert scheduler
        killer = Killer(scheduler)
        killer.start()
        try:
            yield lambda: bool(killer.killed)
        finally:
            killer.over = True
        assert killer.killed, "no task process was found to kill, so the test shows less than it says"

    return killing


@pytest.fixture(scope="session")
def definitions(stack: Any) -> Definitions:
    return load_definitions(stack.settings.definitions)


@pytest.fixture(scope="session")
def replay(stack: Any, definitions: Definitions, kill_a_task: Any) -> Iterator[Demo]:
    """The plan, replayed through the scheduler while one task process is killed."""
    publish(PLAN.first_day, PLAN.last_day, settings=stack.settings)
    passwords = stack.settings.home / "airflow" / "simple_auth_manager_passwords.json.generated"
    with AirflowApi(stack.airflow_url, user="admin", passwords=passwords) as api:
        demo = Demo(stack.settings, definitions, Lake.from_settings(stack.settings), api, Silent(), PLAN)
        with kill_a_task():
            demo.run()
        yield demo


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Wait until a condition holds, with a limit: ``wait_for(condition, 60, "what was waited for")``."""
    from slipstream.services.processes import wait_until

    def wait(condition: Callable[[], bool], limit: float, what: str) -> None:
        assert wait_until(condition, limit, pause=0.2), f"not within {limit} s: {what}"

    return wait
