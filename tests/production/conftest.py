"""The production services, started once for all tests of the folder, as docker-compose.yml says."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE, PROJECT = Path(__file__).resolve().parent, Path(__file__).resolve().parents[2]
sys.path[:0] = [str(HERE), str(PROJECT / "deploy")]

from compose import read_compose, read_env  # noqa: E402
from native import PORTS, Native, wait  # noqa: E402
from replay import FIRST, LAST, MODEL, Replay, undisturbed  # noqa: E402
from write_env import filled  # noqa: E402

from slipstream.definitions import load_definitions  # noqa: E402
from slipstream.demo.api import AirflowApi  # noqa: E402
from slipstream.example import publish  # noqa: E402
from slipstream.lake import Lake  # noqa: E402
from slipstream.services.ports import free_port  # noqa: E402
from slipstream.settings import Settings  # noqa: E402


@pytest.fixture(scope="session")
def native() -> Iterator[Native]:
    """The services, with secrets of their own, in a folder that PostgreSQL's user may enter."""
    home = Path(tempfile.mkdtemp(prefix="slipstream-production-"))
    home.chmod(0o755)
    ports: dict[str, int] = {}
    for name in PORTS:
        ports[name] = free_port(taken=frozenset(ports.values()))
    (home / "env").write_text(filled((PROJECT / ".env.example").read_text(encoding="utf-8")), encoding="utf-8")
    variables = read_env(home / "env") | {
        "AIRFLOW_PORT": str(ports["api-server"]),
        "MLFLOW_PORT": str(ports["mlflow"]),
        "WORKER_CONCURRENCY": "2",
        "JSON_LOGS": "False",
    }
    stack = Native(home, read_compose(variables), ports)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        if os.environ.get("SLIPSTREAM_KEEP_PRODUCTION") != "1":
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def settings(native: Native) -> Iterator[Settings]:
    """The settings of a worker; its variables are this process' too while the tests run."""
    before = dict(os.environ)
    ours = native.environment("worker", name="tests")
    os.environ.update({key: ours[key] for key in ours if key.startswith(("AWS_", "SLIPSTREAM_"))})
    yield Settings()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def replay(native: Native, settings: Settings) -> Iterator[Replay]:
    """The example's days in the landing bucket and its DAGs unpaused; beside it, what an undisturbed run makes."""
    definitions = load_definitions(settings.definitions)
    quiet = native.folder("undisturbed")
    alone = settings.model_copy(
        update={
            "home": quiet,
            "lake": str(quiet / "lake"),
            "landing": str(quiet / "landing"),
            "staging": str(quiet / "staging"),
            "reports": str(quiet / "reports"),
            "mlflow_tracking_uri": f"sqlite:///{quiet}/mlflow.db",
        }
    )
    publish(FIRST, LAST, settings=alone)
    wait(lambda: bool(publish(FIRST, LAST, settings=settings)), 600, "the delivery of the example's files")
    reference = undisturbed(definitions, alone)
    url = f"http://127.0.0.1:{native.ports['api-server']}"
    with AirflowApi(url, user="admin", passwords=native.home / "api-server" / "passwords.json") as api:
        found = Replay(native, api, definitions, Lake.from_settings(settings), reference, alone)
        stages = ("training", "promotion", "scoring", "monitoring")
        wanted = {f"{name}.ingestion" for name in definitions.sources}
        wanted |= {f"{name}.features" for name in definitions.views} | {f"{MODEL}.{stage}" for stage in stages}
        wait(lambda: wanted <= api.dags() or bool(api.import_errors()), 600, "Airflow's reading of the DAG files")
        assert api.import_errors() == []
        api.unpause(sorted(wanted))
        yield found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One long replay with faults on the way: the tests follow one another, and none is worth much alone."""
    for item in items:
        item.add_marker(pytest.mark.timeout(1800))
