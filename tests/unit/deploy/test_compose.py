"""What docker-compose.yml promises, held by reading it as Compose does; its services run in tests/production."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from slipstream.services.credentials import Secrets
from slipstream.services.environment import airflow_environment
from slipstream.services.postgres import Postgres
from slipstream.settings import Settings

PROJECT = Path(__file__).resolve().parents[3]
COMPOSE, EXAMPLE = PROJECT / "docker-compose.yml", PROJECT / ".env.example"
SECRET = re.compile(r"PASSWORD|SECRET|_KEY$|CONN$|CONN_ASYNC$|BROKER_URL|RESULT_BACKEND|STORE_URI")

# Of the embedded stack alone, or set for one service only.
NOT_IN_COMPOSE = {"AIRFLOW__API__HOST", "AIRFLOW__API__PORT", "AIRFLOW__API__WORKERS"}


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", PROJECT / "deploy" / f"{name}.py")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


compose, write_env = module("compose"), module("write_env")


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("project") / "env"
    path.write_text(write_env.filled(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
    return dict(compose.read_env(path))


@pytest.fixture(scope="module")
def services(variables: dict[str, str]) -> dict[str, Any]:
    return dict(compose.read_compose(variables)["services"])


def test_nothing_starts_without_env_file() -> None:
    with pytest.raises(compose.MissingVariableError, match="run make env"):
        compose.read_compose({})


def test_every_secret_is_wanted_and_none_has_a_default(variables: dict[str, str]) -> None:
    example = compose.read_env(EXAMPLE)
    secrets = sorted(name for name, value in example.items() if not value)
    assert len(secrets) == 13
    text = COMPOSE.read_text(encoding="utf-8")
    for name in secrets:
        assert f"${{{name}:?" in text
        assert f"${{{name}:-" not in text
        with pytest.raises(compose.MissingVariableError, match=name):
            compose.read_compose(variables | {name: ""})


def test_the_example_and_the_file_name_the_same_variables_with_the_same_defaults() -> None:
    example = compose.read_env(EXAMPLE)
    named = dict(re.findall(r"\$\{(\w+)(?::[-?]([^}]*))?\}", COMPOSE.read_text(encoding="utf-8")))
    assert named.keys() == example.keys()
    for name, default in named.items():
        assert example[name] == ("" if "make env" in default else default), name


def test_every_line_of_the_example_is_explained() -> None:
    comment = False
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        named = line.split("=")[0]
        assert not line or line.startswith("#") or comment, f"{named} has no comment above it"
        comment = line.startswith("# ") and not line.startswith("# ---") if not line or line[0] == "#" else comment


def test_secrets_stand_in_the_environment_only_where_they_are_needed(
    services: dict[str, Any], variables: dict[str, str]
) -> None:
    worker = json.dumps(services["worker"])
    for name in ("POSTGRES_PASSWORD", "AIRFLOW_DATABASE_PASSWORD", "MLFLOW_DATABASE_PASSWORD", "AIRFLOW_JWT_SECRET"):
        assert variables[name] not in worker, f"a worker, which runs a team's code, must not know {name}"
    holders = [name for name, each in services.items() if variables["POSTGRES_PASSWORD"] in json.dumps(each)]
    assert holders == ["postgres"]
    for name, service in services.items():
        words = json.dumps([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
        assert not [key for key, value in variables.items() if SECRET.search(key) and value in words], name


def test_only_the_interface_and_mlflow_are_published_and_on_the_loopback_address(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"api-server": ["127.0.0.1:8080:8080"], "mlflow": ["127.0.0.1:5000:5000"]}
    assert not any("expose" in service or service.get("network_mode") == "host" for service in services.values())
    assert yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["networks"]["inside"] == {"internal": True}
    outside = {name for name, service in services.items() if "outside" in service.get("networks", ())}
    assert outside == {"api-server", "mlflow"}


def test_nobody_is_root_and_nobody_writes_to_code(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        root = service["user"].startswith("0")
        assert not root or (name == "volumes" and service["network_mode"] == "none"), name
        if "slipstream" in service["image"]:
            assert service["read_only"], name
            assert not any(":/opt" in volume for volume in service["volumes"]), name


def test_every_lasting_service_has_a_health_check_a_restart_and_a_place(services: dict[str, Any]) -> None:
    once = {"volumes", "prepare", "migrate"}
    for name, service in services.items():
        assert service["restart"] == ("no" if name in once else "unless-stopped"), name
        assert ("healthcheck" in service) == (name not in once), name
    named = {
        name: [v for v in services[name]["volumes"] if v.startswith(f"{name}:")] for name in ("postgres", "redis", "s3")
    }
    assert all(named.values())


def test_whatever_a_service_waits_for_exists_and_can_become_well(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            healthy = wanted["condition"] == "service_healthy"
            assert ("healthcheck" in services[other]) == healthy, f"{name} waits for {other}"


def test_settings_are_those_that_the_library_knows(services: dict[str, Any]) -> None:
    known = {f"SLIPSTREAM_{name.upper()}" for name in Settings.model_fields}
    for service in services.values():
        assert {key for key in service.get("environment", {}) if key.startswith("SLIPSTREAM_")} <= known


def test_airflow_is_told_all_that_the_embedded_stack_tells_it(services: dict[str, Any], tmp_path: Path) -> None:
    embedded = airflow_environment(
        Settings(project=PROJECT, home=tmp_path),
        airflow_port=1,
        tracking_uri="http://127.0.0.1:2",
        postgres=Postgres(folder=tmp_path, sockets=tmp_path),
        secrets=Secrets("a", "b", "c"),
    )
    ours = {name for name in embedded if name.startswith(("AIRFLOW", "SLIPSTREAM_")) and name not in os.environ}
    told = set(services["scheduler"]["environment"]) | set(services["dag-processor"]["environment"])
    assert ours - told - NOT_IN_COMPOSE == {
        "SLIPSTREAM_STAGING",
        "SLIPSTREAM_REPORTS",
        "SLIPSTREAM_CHUNK_ROWS",
        "SLIPSTREAM_MAX_LINE_BYTES",
        "SLIPSTREAM_ARCHIVE_BYTES",
    }


def test_no_log_server_listens(services: dict[str, Any]) -> None:
    for name in ("scheduler", "triggerer", "worker"):
        assert "--skip-serve-logs" in services[name]["command"]
        assert services[name]["environment"]["AIRFLOW__LOGGING__REMOTE_LOGGING"] == "True"


def test_no_task_outlives_the_brokers_patience(services: dict[str, Any]) -> None:
    from slipstream_airflow.defaults import TIMEOUTS

    longest = max(TIMEOUTS.values()).total_seconds()
    assert (
        float(services["worker"]["environment"]["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"])
        > longest
    )


def test_connections_are_json_that_airflow_reads(services: dict[str, Any]) -> None:
    environment = services["worker"]["environment"]
    connections = {key: json.loads(value) for key, value in environment.items() if key.startswith("AIRFLOW_CONN_")}
    assert {each["conn_type"] for each in connections.values()} == {"mlflow", "lake", "aws"}


def test_env_is_written_once_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    assert write_env.main(tmp_path) == 0
    path = tmp_path / ".env"
    first = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert write_env.main(tmp_path) == 0
    assert path.read_text(encoding="utf-8") == first
    values = compose.read_env(path)
    secrets = [values[name] for name, value in compose.read_env(EXAMPLE).items() if not value]
    assert len(set(secrets)) == len(secrets)
    assert min(map(len, secrets)) >= 20


def test_two_env_files_share_no_secret() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    first, second = (write_env.filled(example).splitlines() for _ in range(2))
    same = [line for line in first if line in second and line and not line.startswith("#")]
    assert all(line in example.splitlines() for line in same)


def test_passwords_are_handed_over_in_a_file_of_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    look = f"import os, json; print(os.environ.get('AIRFLOW_ADMIN_PASSWORD'), json.load(open({str(path)!r})))"
    command = [sys.executable, str(PROJECT / "deploy" / "with_passwords.py"), sys.executable, "-c", look]
    environment = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(path),
        "AIRFLOW_ADMIN_PASSWORD": "one",
        "AIRFLOW_VIEWER_PASSWORD": "two",
    }
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "None {'admin': 'one', 'viewer': 'two'}"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_executor_that_is_named_can_be_imported(services: dict[str, Any]) -> None:
    """The Celery that is installed may lack what the provider imports, and then neither scheduler nor worker starts."""
    assert services["scheduler"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    from airflow.providers.celery.executors.celery_executor import CeleryExecutor

    assert CeleryExecutor.is_production
