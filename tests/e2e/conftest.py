"""The whole stack, started once a session in a home of its own, on ports that nobody else has; and a replay in it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


# Secrets that the stack is given, each to be found nowhere afterwards: tests/e2e/test_security.py.
CANARIES = {
    name: f"canary{secrets.token_hex(12)}"
    for name in ("s3 key", "s3 session", "webhook", "database", "mail", "mlflow", "extra")
}
# A source behind a password. None of its intervals is due in the replay, which has nothing to ingest from it.
GUARDED = """
name: guarded
owner: e2e
description: Rows behind a password.
schedule: "0 0 * * *"
start: 2013-02-01
end: 2013-02-03
connector: {type: sql, connection: guarded_db, query: "SELECT 1 AS id WHERE :start < :end"}
columns: {id: int64}
key: [id]
event_time: interval_start
"""


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
        """Call Airflow's REST API, ``path`` below the address, as a user or as nobody; return the JSON answer."""
        if not user:
            return self._request(method, path, body, {})
        token = self._request("POST", "/auth/token", {"username": user, "password": self.password(user)}, {})
        return self._request(method, path, body, {"Authorization": f"Bearer {token['access_token']}"})

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.airflow_url + path, data=data, method=method, headers={"Content-Type": "application/json", **headers}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            found = answer.read()
            return json.loads(found or b"null") if "json" in answer.headers.get_content_type() else found.decode()

    def status(self, method: str, path: str, body: Any = None, *, user: str = "admin") -> int:
        """Call as ``call`` does and return the status alone."""
        try:
            self.call(method, path, body, user=user)
        except urllib.error.HTTPError as error:
            return error.code
        return 200


class Webhook(BaseHTTPRequestHandler):
    """Takes the stack's alerts, whose address ends in a secret."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="package")
def webhook() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def planted(webhook: Any) -> dict[str, str]:
    """Return variables with secrets, as whoever starts the stack may have them."""
    alerts = {"conn_type": "http", "host": "http://127.0.0.1", "port": webhook.server_address[1], "schema": "http"}
    return {
        "AWS_ACCESS_KEY_ID": "a-name-is-no-secret",
        "AWS_SECRET_ACCESS_KEY": CANARIES["s3 key"],
        "AWS_SESSION_TOKEN": CANARIES["s3 session"],
        "AIRFLOW_CONN_SLIPSTREAM_ALERTS": json.dumps({**alerts, "password": CANARIES["webhook"]}),
    }


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, webhook: Any) -> Iterator[RunningStack]:
    """Start everything, for all tests of this folder and no longer; its variables are this process's too while it runs.

    The definitions are a copy, which a test may change.
    """
    home = tmp_path_factory.mktemp("a home") / "slip"
    airflow_port = free_port()
    mlflow_port = free_port(taken=frozenset({airflow_port}))
    definitions = home.parent / "definitions"
    for part in ("sources", "features", "models"):
        shutil.copytree(PROJECT / "include" / part, definitions / part)
    (definitions / "sources" / "guarded").mkdir()
    (definitions / "sources" / "guarded" / "source.yaml").write_text(GUARDED, encoding="utf-8")
    chosen = {"home": home, "project": PROJECT, "definitions": definitions, "users": "ada:op,bo:user"}
    settings = Settings(**chosen, airflow_port=airflow_port, mlflow_port=mlflow_port)
    before = dict(os.environ)
    os.environ.update(planted(webhook))
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


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def definitions(stack: Any) -> Definitions:
    return load_definitions(stack.settings.definitions)


@pytest.fixture(scope="package")
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
