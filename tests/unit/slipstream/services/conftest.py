"""A home with a real PostgreSQL, and stand-ins for ``airflow`` and ``mlflow`` that start in a moment."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slipstream.services import catalog, postgres, stop
from slipstream.services.ports import free_port
from slipstream.settings import Settings

STAND_IN = """
import json, os, signal, subprocess, sys, time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

faults, arguments = Path(sys.argv[1]), sys.argv[2:]
name = " ".join(arguments[:2]) if arguments[0] == "db" else arguments[0]
fault = (faults / name).read_text() if (faults / name).exists() else ""

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        report = {"metadatabase": {"status": "healthy"}}
        for beat in faults.glob("*.beat"):
            since = datetime.fromtimestamp(float(beat.read_text() or 0), timezone.utc)
            report[beat.stem.replace("-", "_")] = {"status": "healthy", "latest_heartbeat": since.isoformat()}
        body = json.dumps(report).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

if fault == "die":
    sys.exit("it cannot work like this")
if fault == "full":
    sys.exit("OSError: [Errno 28] No space left on device")
if fault == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if fault == "escape":
    subprocess.Popen(["sleep", "600"], start_new_session=True)
if fault == "never well":
    time.sleep(600)
(faults / f"{name}.beat").write_text(str(time.time()))
if name == "db migrate":
    sys.exit(0)
if name == "server":
    HTTPServer(("127.0.0.1", int(arguments[arguments.index("--port") + 1])), Answer).serve_forever()
if name == "api-server":
    HTTPServer(("127.0.0.1", int(os.environ["AIRFLOW__API__PORT"])), Answer).serve_forever()
time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    home = tmp_path / "a home"
    (tmp_path / "project" / "dags").mkdir(parents=True)
    (tmp_path / "project" / "include").mkdir()
    airflow_port = free_port()
    mlflow_port = free_port(taken=frozenset({airflow_port}))
    made = Settings(home=home, project=tmp_path / "project", airflow_port=airflow_port, mlflow_port=mlflow_port)
    yield made
    stop(made)


@pytest.fixture(scope="session")
def fresh_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one empty PostgreSQL cluster, to be copied: half a second of work for each test otherwise."""
    cluster = postgres.open_cluster(tmp_path_factory.mktemp("pg"))
    cluster.prepare(postgres.run_to_end)
    return cluster.data


@pytest.fixture
def fault(fresh_cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Replace both tools by stand-ins; ``fault("scheduler", "die")`` gives one of them something to suffer from."""
    faults = tmp_path / "faults"
    faults.mkdir()
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setitem(postgres.CONFIGURATION, "fsync", "off")  # a busy disk must not slow these down
    monkeypatch.setattr(
        postgres.Postgres, "_initialise", lambda cluster, run: shutil.copytree(fresh_cluster, cluster.data)
    )
    monkeypatch.setattr(catalog, "executable", lambda name: (sys.executable, "-S", str(script), str(faults)))

    def set_fault(service: str, kind: str) -> None:
        (faults / service).write_text(kind, encoding="utf-8")

    return set_fault
