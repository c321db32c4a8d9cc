from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from slipstream.errors import SettingsError
from slipstream.services.credentials import Secrets, ensure_passwords, users_of
from slipstream.services.environment import airflow_environment, mlflow_environment, write_shell_environment
from slipstream.services.places import Places
from slipstream.services.postgres import Postgres
from slipstream.settings import Settings


def environment_of(settings: Settings, tracking_uri: str = "http://127.0.0.1:5001") -> dict[str, str]:
    cluster = Postgres(folder=settings.home / "postgres", sockets=settings.home / "postgres")
    return airflow_environment(
        settings,
        airflow_port=8081,
        tracking_uri=tracking_uri,
        postgres=cluster,
        secrets=Secrets("fernet", "jwt", "api"),
    )


def test_every_process_reads_the_settings_that_this_one_was_given(settings, monkeypatch):
    given = settings.model_copy(update={"memory_limit": 123_456, "warm_workers": False, "lake": "s3://bucket/lake"})
    for name, value in environment_of(given).items():
        if name.startswith("SLIPSTREAM_"):
            monkeypatch.setenv(name, value)

    read = Settings()

    same = {
        "home",
        "project",
        "definitions",
        "lake",
        "landing",
        "staging",
        "memory_limit",
        "warm_workers",
        "airflow_port",
    }
    assert read.model_dump(include=same) == given.model_dump(include=same)
    assert read.mlflow_tracking_uri == "http://127.0.0.1:5001"


def test_users_join_admin_and_viewer_each_with_a_password_that_stays(settings):
    given = settings.model_copy(update={"users": "ada:op, bo:user,viewer:viewer"})
    assert users_of(given) == {"admin": "admin", "viewer": "viewer", "ada": "op", "bo": "user"}
    assert (
        environment_of(given)["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin,viewer:viewer,ada:op,bo:user"
    )

    places = Places(settings.home)
    places.create()
    ensure_passwords(places, users_of(settings))
    before = json.loads(places.passwords.read_text())
    ensure_passwords(places, users_of(given))
    after = json.loads(places.passwords.read_text())
    assert set(after) == {"admin", "viewer", "ada", "bo"}
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == 4


@pytest.mark.parametrize(
    "users", ["ada", "ada:", "ada:chief", ":op", "ada:op:x", "a b:op", "ada:op,ada:user", "admin:viewer", "ada=op"]
)
def test_a_list_of_users_that_cannot_be_read_is_refused(settings, users):
    with pytest.raises(SettingsError, match="SLIPSTREAM_USERS wants name:role"):
        users_of(settings.model_copy(update={"users": users}))


def test_no_library_is_left_to_report_to_anybody(settings):
    environment = environment_of(settings)

    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"
    assert environment["SCARF_ANALYTICS"] == "false"
    assert mlflow_environment(settings)["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_caches_lie_below_the_home(settings):
    environment = environment_of(settings)

    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "AIRFLOW_HOME"):
        assert Path(environment[name]).is_relative_to(settings.home), name


def test_tuning_gives_way_to_the_callers_and_structure_does_not(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "3")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    environment = environment_of(settings)

    assert environment["AIRFLOW__CORE__PARALLELISM"] == "3"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_no_variable_of_the_caller_opens_the_stack_to_everybody(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    monkeypatch.setenv("AIRFLOW__API__EXPOSE_CONFIG", "True")
    monkeypatch.setenv("AIRFLOW__API__EXPOSE_STACKTRACE", "True")
    monkeypatch.setenv("AIRFLOW__API__HOST", "0.0.0.0")  # noqa: S104 - what must not come through

    environment = environment_of(settings)

    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
    assert environment["AIRFLOW__API__EXPOSE_CONFIG"] == "False"
    assert environment["AIRFLOW__API__EXPOSE_STACKTRACE"] == "False"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"


@pytest.mark.parametrize(("warm", "lazy"), [(True, "False"), (False, "True")])
def test_plugins_are_loaded_ahead_only_for_warm_workers(settings, warm, lazy):
    given = settings.model_copy(update={"warm_workers": warm})

    assert environment_of(given)["AIRFLOW__CORE__LAZY_LOAD_PLUGINS"] == lazy


@pytest.mark.parametrize(
    ("uri", "connection"),
    [
        ("http://127.0.0.1:5001", {"conn_type": "mlflow", "host": "http://127.0.0.1", "port": 5001}),
        ("https://ml.example", {"conn_type": "mlflow", "host": "https://ml.example"}),
        (
            "https://ml.example:8443/a",
            {"conn_type": "mlflow", "host": "https://ml.example", "port": 8443, "schema": "a"},
        ),
    ],
)
def test_an_mlflow_address_becomes_a_connection(settings, uri, connection):
    assert json.loads(environment_of(settings, uri)["AIRFLOW_CONN_MLFLOW_DEFAULT"]) == connection


def test_a_sourced_environment_is_the_one_that_was_written_whatever_it_holds(settings, tmp_path):
    environment = {"SLIPSTREAM_HOME": '/a home/it\'s $HOME "quoted" `x`', "AIRFLOW__CORE__X": "a\nb", "PATH": "/x"}
    path = tmp_path / "env file.sh"
    write_shell_environment(environment, path)

    script = '. "$1"; printf %s "$SLIPSTREAM_HOME|$AIRFLOW__CORE__X|$PATH"'
    shell = subprocess.run(
        ["/bin/bash", "-c", script, "bash", path], capture_output=True, text=True, check=True, env={"PATH": "/mine"}
    )

    home, tuned, search = shell.stdout.split("|")
    assert (home, tuned) == (environment["SLIPSTREAM_HOME"], "a\nb")
    assert search.endswith(":/mine")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_sourced_address_of_an_earlier_start_does_not_count_as_the_users_own_server(settings, tmp_path):
    path = tmp_path / "env.sh"
    write_shell_environment(environment_of(settings), path)

    assert "SLIPSTREAM_MLFLOW_TRACKING_URI" not in path.read_text(encoding="utf-8")
