"""An address with a password is used whole and shown without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slipstream.definitions import Source
from slipstream.errors import ServiceError, SettingsError
from slipstream.ingestion.connectors import open_batch
from slipstream.intervals import Interval
from slipstream.promotion import Registry
from slipstream.secrecy import without_logins
from slipstream.services.environment import _connection_of
from slipstream.settings import Settings

CANARY = "canary-of-this-test"
DAY = Interval.parse("2013-01-31")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ada:pass@mlflow:5000/path", "http://mlflow:5000/path"),
        ("postgresql+psycopg2://ada:p%40ss@/db?host=/run", "postgresql+psycopg2:///db?host=/run"),
        ("to https://ada:a@b@c@host/api, see http://docs/x@y", "to https://host/api, see http://docs/x@y"),
        ("redis://:pass@redis:6379/0 and ada@example.org", "redis://redis:6379/0 and ada@example.org"),
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
    ],
)  # fmt: skip
def test_a_login_is_taken_out_of_every_address_of_a_text(text: str, shown: str) -> None:
    assert without_logins(text) == shown


def test_a_server_that_does_not_answer_is_named_without_its_password(
    mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError, match="did not answer") as raised:
        Registry(f"http://ada:{CANARY}@127.0.0.1:9").versions("m")
    assert CANARY not in str(raised.value)
    assert Registry(mlflow_store).client, "parts of MLflow ask the last address that was opened"


def test_airflows_connection_has_the_password_in_the_field_that_airflow_hides() -> None:
    found = json.loads(_connection_of(f"https://ada:{CANARY}%2F@mlflow:5000/path"))
    assert found.pop("password") == f"{CANARY}/"
    assert found == {"conn_type": "mlflow", "login": "ada", "host": "https://mlflow", "port": 5000, "schema": "path"}
    plain = json.loads(_connection_of(f"https://ada:{CANARY}@mlflow.example"))
    assert (plain["host"], plain["login"]) == ("https://mlflow.example", "ada")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg2://ada:{CANARY}@127.0.0.1:9/shop",
        f"postgresql+psycopg2://ada:{CANARY}/x@127.0.0.1:9/shop",
        f"postgresql+psycopg2://ada:x/{CANARY}:y@127.0.0.1:9/shop",
        f"nosuchdriver://ada:{CANARY}@127.0.0.1:9/shop",
        f"{CANARY}",
        f"postgresql+psycopg2:{CANARY}",
    ],
)
def test_no_error_of_a_database_shows_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SHOP", url)
    values: dict[str, Any] = {"name": "trips", "description": "Trips.", "schedule": "0 0 * * *", "start": "2013-01-01"}
    values |= {"connector": {"type": "sql", "connection": "SHOP", "query": "SELECT 1 AS trip"}}
    values |= {"columns": {"trip": "int64"}, "key": ["trip"], "event_time": "interval_start"}
    settings = Settings(project=tmp_path, home=tmp_path / "home")
    with pytest.raises((ServiceError, SettingsError)) as raised:
        list(open_batch(Source.model_validate(values), DAY, settings).chunks())
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
