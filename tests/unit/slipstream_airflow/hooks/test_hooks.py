"""A connection says where things are; without one the settings do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipstream.settings import get_settings
from slipstream_airflow.hooks.database import resolve
from slipstream_airflow.hooks.lake import LakeHook
from slipstream_airflow.hooks.tracking import MlflowHook


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_TRACKING_URI", "http://settings:5000")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, **connection: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


def test_without_the_default_connection_the_settings_count(tmp_path: Path, airflow_tables: None) -> None:
    assert LakeHook().settings == get_settings()
    assert LakeHook().lake.root == str(tmp_path / "home" / "lake")
    assert MlflowHook().tracking_uri == "http://settings:5000"


def test_a_connection_that_is_named_must_exist(airflow_tables: None) -> None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    with pytest.raises(AirflowNotFoundException):
        _ = LakeHook("nowhere").lake


def test_a_lake_connection_moves_lake_staging_and_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"root": "s3://bucket/lake/", "endpoint_url": "http://store:9000", "allow_http": True}
    connect(monkeypatch, "other", conn_type="lake", extra=extra)
    settings = LakeHook("other").settings
    assert (settings.lake, settings.staging) == ("s3://bucket/lake", "s3://bucket/lake/_staging")
    assert settings.reports == "s3://bucket/lake/_reports"
    assert settings.storage_options() == {"AWS_ENDPOINT_URL": "http://store:9000", "AWS_ALLOW_HTTP": "true"}


def test_the_lake_form_can_test_its_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connect(monkeypatch, "here", conn_type="lake", extra={"root": str(tmp_path)})
    assert LakeHook("here").test_connection() == (True, f"{tmp_path} holds 0 table(s).")
    connect(monkeypatch, "wrong", conn_type="lake", extra={"root": "ftp://nowhere"})
    well, message = LakeHook("wrong").test_connection()
    assert not well
    assert "ftp" in message


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ({"host": "http://127.0.0.1", "port": 5000}, "http://127.0.0.1:5000"),
        ({"host": "mlflow.example.org"}, "http://mlflow.example.org"),
        ({"host": "https://example.org/", "schema": "/ml/flow/"}, "https://example.org/ml/flow"),
    ],
)
def test_an_mlflow_connection_is_an_address(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], address: str
) -> None:
    connect(monkeypatch, "tracking", conn_type="mlflow", **connection)
    hook = MlflowHook("tracking")
    assert (hook.address, hook.tracking_uri) == (address, address)
    assert hook.run_url("abc") == f"{address}/#/runs/abc"
    assert hook.version_url("arrival_delay", "3") == f"{address}/#/models/arrival_delay/versions/3"


def test_links_lead_to_where_a_browser_finds_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    from slipstream.settings import get_settings

    connect(monkeypatch, "tracking", conn_type="mlflow", host="http://mlflow", port=5000)
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_URL", "http://localhost:5001/")
    get_settings.cache_clear()
    try:
        hook = MlflowHook("tracking")
        assert hook.tracking_uri == "http://mlflow:5000"
        assert hook.run_url("abc") == "http://localhost:5001/#/runs/abc"
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def test_a_password_is_for_clients_and_never_in_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"host": "https://example.org", "login": "ada", "password": "p@ss/word"}
    connect(monkeypatch, "guarded", conn_type="mlflow", **connection)
    hook = MlflowHook("guarded")
    assert hook.tracking_uri == "https://ada:p%40ss%2Fword@example.org"
    assert "ada" not in hook.run_url("abc")


def test_a_password_stands_in_no_log_and_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.log import redact

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    connection = {"host": "http://127.0.0.1", "port": 9, "login": "ada", "password": "secret/of-ada"}
    connect(monkeypatch, "guarded", conn_type="mlflow", **connection)
    hook = MlflowHook("guarded")
    assert "of-ada" not in str(redact(f"API request to {hook.tracking_uri}/api failed"))
    assert "of-ada" not in hook.test_connection()[1]


def test_a_password_in_the_settings_or_in_the_host_is_in_no_link_and_no_log(
    monkeypatch: pytest.MonkeyPatch, airflow_tables: None
) -> None:
    from airflow.sdk.log import redact

    whole = "http://ada:secret-of-settings@settings:5000"
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_TRACKING_URI", whole)
    get_settings.cache_clear()
    hook = MlflowHook()
    assert (hook.address, hook.tracking_uri) == ("http://settings:5000", whole)
    assert "secret" not in hook.run_url("abc")
    assert "secret-of-settings" not in str(redact(f"API request to {whole}/api failed"))
    connect(monkeypatch, "guarded", conn_type="mlflow", host="http://ada:secret@example.org", port=5000)
    guarded = MlflowHook("guarded")
    assert (guarded.address, guarded.tracking_uri) == ("http://example.org:5000", "http://ada:secret@example.org:5000")


def test_the_mlflow_form_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    connect(monkeypatch, "closed", conn_type="mlflow", host="http://127.0.0.1", port=9)
    well, message = MlflowHook("closed").test_connection()
    assert not well
    assert message


def test_a_database_connection_becomes_a_url_for_sql_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BOOKINGS", "postgres://ada:secret@db:5432/bookings")
    assert resolve("bookings") == "postgresql://ada:secret@db:5432/bookings"


def test_an_unknown_database_connection_is_left_to_the_environment(airflow_tables: None) -> None:
    with pytest.raises(KeyError):
        resolve("no_such_database")
