"""Messages arrive on a real SMTP and a real HTTP server, both of this process."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from slipstream.errors import FatalError
from slipstream.intervals import Interval
from slipstream.lake import Provenance, Run
from slipstream.monitoring import Alert
from slipstream.monitoring.rows import Measurement, schema
from slipstream_airflow.hooks.optional import find_connection
from slipstream_airflow.notifications.alert import CONNECTION, AlertNotifier, deliver, webhook

ALERT = Alert(
    "m", "opened", "m: alarm opened: drift", "Open since yesterday.\n- drift: <much>\nNext: a training starts."
)


class Mailbox(socketserver.StreamRequestHandler):
    """The little of SMTP that a client wants to hear."""

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            if line.upper() == "DATA":
                self._say("354 go on")
                lines: list[str] = []
                while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    lines.append(text)
                self.server.got.append("\n".join(lines))  # type: ignore[attr-defined]
            self._say("221 bye" if line.upper() == "QUIT" else "250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response({"/broken": 500, "/moved": 307}.get(self.path, 200))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"so")

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    server.got = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any]) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection))
    deliver(ALERT, find_connection(CONNECTION, default=CONNECTION), {})


def test_a_mail_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(socketserver.TCPServer(("127.0.0.1", 0), Mailbox)) as server:
        host, port = server.server_address
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "slip@shop", "to": ["ada@shop", "bo@shop"]}
        send(monkeypatch, {"conn_type": "smtp", "host": host, "port": port, "extra": extra})
    assert len(server.got) == 1
    mail = message_from_string(server.got[0])
    assert (mail["Subject"], mail["From"], mail["To"]) == (
        "[slipstream] m: alarm opened: drift",
        "slip@shop",
        "ada@shop, bo@shop",
    )
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    assert b"- drift: &lt;much&gt;" in parts[0]


def test_a_webhook_is_told_in_the_form_that_slack_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(HTTPServer(("127.0.0.1", 0), Webhook)) as server:
        host, port = server.server_address
        where = {"conn_type": "http", "schema": "http", "host": host, "port": port}
        send(monkeypatch, {**where, "password": "services/T/B/secret"})
        with pytest.raises(FatalError, match="answered 500: so"):
            send(monkeypatch, {**where, "password": "broken"})
    path, body = server.got[0]
    assert path == "/services/T/B/secret"
    assert body == {"text": f"*{ALERT.title}*\n{ALERT.text}"}


def test_a_redirect_is_not_followed_and_counts_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(HTTPServer(("127.0.0.1", 0), Webhook)) as server:
        host, port = server.server_address
        with pytest.raises(FatalError, match="answered 307"):
            send(monkeypatch, {"conn_type": "http", "schema": "http", "host": host, "port": port, "password": "moved"})
    assert [path for path, _ in server.got] == ["/moved"]


def test_without_a_connection_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    deliver(ALERT, None, {})
    assert ALERT.title in caplog.text
    assert "Next: a training starts." in caplog.text


@pytest.mark.parametrize(
    ("connection", "words"),
    [({"conn_type": "sqlite"}, "of type smtp or http"), ({"conn_type": "smtp", "host": "h"}, "names nobody")],
)
def test_a_connection_that_does_not_fit_is_refused(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], words: str
) -> None:
    with pytest.raises(FatalError, match=words):
        send(monkeypatch, connection)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"host": "https://hooks.example.org/services/", "password": "T/B/s"},
            "https://hooks.example.org/services/T/B/s",
        ),
        ({"host": "hooks.example.org", "port": 8443}, "https://hooks.example.org:8443"),
        ({"host": "127.0.0.1", "schema": "http", "port": 80, "password": "/x"}, "http://127.0.0.1:80/x"),
    ],
)
def test_an_address_is_made_of_a_connection(fields: dict[str, Any], url: str) -> None:
    connection: Any = SimpleNamespace(**{"host": None, "schema": None, "port": None, "password": None, **fields})
    assert webhook(connection) == url


def test_a_task_tells_once_fails_no_task_and_is_silent_in_a_backfill(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shop.model()
    known = SimpleNamespace(model=lambda name: {model.name: model}[name])
    monkeypatch.setattr("slipstream_airflow.generation.sound_definitions", lambda: known)
    monkeypatch.setattr("slipstream_airflow.hooks.lake.LakeHook.settings", shop.settings)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for number in (1, 2):
        span = Interval.parse(f"2013-01-0{number}")
        drift = Measurement("verdict", "drift", "share", 0.9, 0.1, True, 9, 9, "beyond bounds: size")
        when = {"event_time": span.start, "known_at": span.end, "model_version": "1"}
        rows = pa.Table.from_pylist([{**drift.as_dict(), **when}], schema=schema())
        shop.lake.table(model.monitoring_table).write(span, rows, provenance=Provenance(Run.local()))

    def context(kind: str, run_id: str) -> Any:
        ti = SimpleNamespace(dag_id="m.monitoring", run_id=run_id, task_id="decide", try_number=1, map_index=-1)
        return {"ti": ti, "dag_run": SimpleNamespace(run_type=kind, triggering_user_name=None), "params": {}}

    with serving(HTTPServer(("127.0.0.1", 0), Webhook)) as server:
        host, port = server.server_address
        where = {"conn_type": "http", "schema": "http", "host": host, "port": port}
        for kind, password in (("backfill", ""), ("scheduled", "broken"), ("scheduled", "hook"), ("scheduled", "hook")):
            monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps({**where, "password": password}))
            AlertNotifier(model=model.name).notify(context(kind, password))
    assert [path for path, _ in server.got] == ["/broken", "/hook"]
    text = server.got[1][1]["text"]
    assert text.startswith(f"*{model.name}: alarm opened: drift*")
    assert "- drift: beyond bounds: size" in text
