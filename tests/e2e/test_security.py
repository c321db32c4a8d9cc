"""What a stack that has done its work has left open or lying about: sockets, files, and secrets where none belong.

The session's stack was started with secrets that occur nowhere else (``CANARIES``), and the replay has run through it.
Each of them is then looked for in every file, in every row of both databases, and in what the commands print.
"""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from slipstream.cli.main import app
from slipstream.demo.steps import Demo
from slipstream.errors import SlipstreamError
from slipstream.services.places import Places
from slipstream.services.processes import family
from slipstream.services.record import load_record
from slipstream.settings import get_settings

from .conftest import CANARIES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]  # whoever comes first waits for the replay
GUARDED, INTERVAL, LIMIT = "guarded.ingestion", "2013-02-01T00:00:00Z", 180.0
KEPT = {"run/secrets.json", "run/env.sh", "airflow/simple_auth_manager_passwords.json.generated"}
"""Files that are there to hold secrets; test_services.py looks at their modes."""
COMMANDS = (
    ("status", "--json"),
    ("ledger", "air_time", "--json"),
    ("lineage", "air_time@1", "--json"),
    ("run", "training", "air_time", "--as-of", "2013-01-14", "--json"),  # the replay's own: nothing is fitted anew
    ("run", "ingestion", "guarded", "--interval", "2013-02-01", "--json"),
)


def processes_of(stack: Any) -> set[psutil.Process]:
    places = Places(stack.settings.home)
    record = load_record(places)
    assert record is not None
    found = family(record.leaders(), places.token)
    assert len(found) > 10
    return found


def sockets_of(stack: Any) -> Iterator[tuple[psutil.Process, Any]]:
    for process in processes_of(stack):
        try:
            for each in process.net_connections(kind="all"):
                yield process, each
        except psutil.NoSuchProcess:
            continue


def test_every_internet_socket_is_bound_to_the_loopback(stack: Any) -> None:
    seen, strangers = set(), []
    for process, each in sockets_of(stack):
        if each.family not in (socket.AF_INET, socket.AF_INET6) or not each.laddr:
            continue
        seen.add(each.laddr.port)
        if each.laddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            strangers.append((process.name(), each.type, tuple(each.laddr), each.status))
    assert strangers == []
    assert {stack.settings.airflow_port, stack.settings.mlflow_port} <= seen


def unix_sockets_of(stack: Any) -> set[str]:
    """Return what the processes' Unix sockets are bound to; psutil loses a path with a blank in it."""
    lines = [line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()[1:]]
    places = {f"socket:[{parts[6]}]": parts[7] for parts in lines if len(parts) == 8}
    found = set()
    for process in processes_of(stack):
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(descriptor.readlink()))
    return {place for name, place in places.items() if name in found}


def test_no_other_user_of_the_machine_reaches_a_unix_socket(stack: Any) -> None:
    named = unix_sockets_of(stack)
    assert not [place for place in named if place.startswith("@")], "an abstract socket has no permissions"
    bound = {Path(place) for place in named}
    record = load_record(Places(stack.settings.home))
    assert record is not None
    assert Path(record.sockets) / ".s.PGSQL.5432" in bound
    for path in (each for each in bound if each.is_socket()):
        others = stat.S_IRWXG | stat.S_IRWXO
        closed = not path.stat().st_mode & others or not path.parent.stat().st_mode & others
        assert closed, path


def test_postgresql_has_no_address_beside_its_socket(stack: Any) -> None:
    from sqlalchemy import create_engine, text

    with create_engine(stack.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]).connect() as link:
        shown = {name: link.execute(text(f"SHOW {name}")).scalar() for name in ("listen_addresses", "ssl")}
        assert shown["listen_addresses"] == ""
        assert link.execute(text("SHOW unix_socket_permissions")).scalar() == "0700"


@pytest.mark.parametrize("header", [{"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}])
def test_a_page_of_another_site_cannot_speak_to_mlflow(stack: Any, header: dict[str, str]) -> None:
    address, body = f"{stack.mlflow_url}/api/2.0/mlflow/experiments/create", {"name": f"from elsewhere {header}"}
    with httpx.Client(trust_env=False) as browser:
        assert browser.post(address, json=body, headers=header).status_code == 403
        assert browser.post(address, json=body).status_code == 200


def test_what_the_services_write_is_their_owners_alone(stack: Any, replay: Demo) -> None:
    home = stack.settings.home
    written = [home / "airflow" / "logs", home / "mlflow", home / "logs", home / "lake" / "raw"]
    open_ones = [
        path
        for place in written
        for path in (place, *place.rglob("*"))
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    assert open_ones == []


@pytest.fixture(scope="module")
def told(stack: Any, replay: Demo) -> str:
    """Have the secrets used, well and badly, and return all that was printed."""
    from slipstream.services.processes import wait_until

    connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "login": "reader", "schema": "shop"}
    stack.call(
        "POST",
        "/api/v2/connections",
        {"connection_id": "guarded_db", "password": CANARIES["database"], **connection},
    )
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "login": "slip", "password": CANARIES["mail"]}
    extra = json.dumps({"to": "ada@shop", "api_token": CANARIES["extra"]})
    stack.call("POST", "/api/v2/connections", {"connection_id": "mail", **mail, "extra": extra})
    shown = [json.dumps(stack.call("GET", "/api/v2/connections?limit=100"))]
    run_id = replay.api.trigger(GUARDED, {"interval_start": INTERVAL})
    path = f"/dags/{GUARDED}/dagRuns/{run_id}/taskInstances"

    def tried() -> bool:
        states = {each["task_id"]: each["state"] for each in replay.api.get(path)["task_instances"]}
        return bool({"up_for_retry", "failed"} & set(states.values()))

    assert wait_until(tried, LIMIT, pause=0.5), replay.api.get(path)
    shown.append(json.dumps(replay.api.get(path)))
    shown += [_command(stack, words) for words in COMMANDS]
    nowhere = {"SLIPSTREAM_MLFLOW_TRACKING_URI": f"http://ada:{CANARIES['mlflow']}@127.0.0.1:9"}
    shown.append(_command(stack, ("lineage", "air_time@1"), **nowhere, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"))
    assert "MLflow did not answer" in shown[-1]
    return "\n".join(shown)


def _command(stack: Any, words: tuple[str, ...], **more: str) -> str:
    """Run a command as a person would who has a password for MLflow and the database; return all that it prints."""
    mlflow = stack.mlflow_url.replace("://", f"://ada:{CANARIES['mlflow']}@")
    variables = {
        "SLIPSTREAM_MLFLOW_TRACKING_URI": mlflow,
        "guarded_db": f"postgresql+psycopg2://reader:{CANARIES['database']}@127.0.0.1:9/shop",
        **more,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        done = CliRunner().invoke(app, list(words))
    get_settings.cache_clear()
    assert isinstance(done.exception, SlipstreamError | SystemExit | None), done.exception
    return f"{done.output}\n{done.exception or ''}"


def secrets_of(stack: Any) -> dict[str, str]:
    """Return every secret that the stack holds by now: what it was given and what it made for itself."""
    home = stack.settings.home
    made = json.loads((home / "run" / "secrets.json").read_text(encoding="utf-8"))
    passwords = json.loads((home / "airflow" / "simple_auth_manager_passwords.json.generated").read_text("utf-8"))
    return {**CANARIES, **made, **{f"password of {user}": word for user, word in passwords.items()}}


def found_in(content: bytes, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret.encode() in content]


def test_the_secrets_were_really_used(stack: Any, told: str, webhook: Any) -> None:
    assert "guarded_db" in told
    assert "did not give its rows" in told
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == stack.environment["AWS_SECRET_ACCESS_KEY"] == CANARIES["s3 key"]
    assert all(path.endswith(CANARIES["webhook"]) for path in webhook.asked)
    logs = list((stack.settings.home / "airflow" / "logs").rglob(f"*{GUARDED}*/**/*.log"))
    assert any("did not give its rows" in each.read_text(encoding="utf-8") for each in logs)


def test_no_command_and_no_answer_of_the_api_shows_a_secret(stack: Any, told: str) -> None:
    assert found_in(told.encode(), secrets_of(stack)) == []


def test_no_log_artifact_report_or_lake_file_holds_a_secret(stack: Any, told: str) -> None:
    home, secrets, leaks, files = stack.settings.home, secrets_of(stack), [], 0
    for path in home.rglob("*"):
        if not path.is_file() or path.is_symlink() or path.relative_to(home).as_posix() in KEPT:
            continue
        files += 1
        content = path.read_bytes() + (_texts(path) if path.suffix == ".parquet" else b"")
        leaks += [(name, path.relative_to(home).as_posix()) for name in found_in(content, secrets)]
    assert leaks == []
    assert files > 1000


def _texts(path: Path) -> bytes:
    """Return the text of a Parquet file, which is compressed; once for each value."""
    rows = pq.read_table(path, partitioning=None)
    texts = [name for name in rows.column_names if pa.types.is_string(rows.schema.field(name).type)]
    values = {value for name in texts for value in rows.column(name).unique().to_pylist() if value}
    return "\n".join(sorted(values)).encode()


@pytest.mark.parametrize("database", ["airflow", "mlflow"])
def test_no_row_of_a_database_holds_a_secret(stack: Any, told: str, database: str) -> None:
    from sqlalchemy import create_engine, inspect, text

    url = stack.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("@/airflow?", f"@/{database}?")
    secrets, leaks, rows = secrets_of(stack), [], 0
    engine = create_engine(url)
    with engine.connect() as link:
        for table in inspect(engine).get_table_names():
            for (row,) in link.execute(text(f'SELECT t::text FROM "{table}" AS t')):
                rows += 1
                content = row.encode()
                leaks += [(name, table) for name in found_in(content, secrets)]
                leaks += [(name, table) for name, word in secrets.items() if word.encode().hex().encode() in content]
    assert leaks == []
    assert rows > 1000 if database == "airflow" else rows > 100


def test_no_command_line_of_a_process_holds_a_secret(stack: Any, told: str) -> None:
    secrets = secrets_of(stack)
    lines = {process.name(): " ".join(process.cmdline()).encode() for process in processes_of(stack)}
    assert [name for name, line in lines.items() if found_in(line, secrets)] == []
