"""The services as a user has them: started, looked at, started again, killed, stopped."""

from __future__ import annotations

import signal
import stat
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from slipstream import services
from slipstream.services.places import Places
from slipstream.services.processes import family

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EVERYTHING = {"postgres", "mlflow", "api-server", "dag-processor", "scheduler", "triggerer"}


def processes_of(stack) -> set[psutil.Process]:
    return family({}, Places(stack.settings.home).token) | {
        child
        for service in services.state(stack.settings).services
        if service.pid
        for child in [psutil.Process(service.pid), *psutil.Process(service.pid).children(recursive=True)]
    }


def test_every_service_is_healthy_and_says_where_it_is(stack):
    state = services.state(stack.settings)

    assert state.healthy, state.as_dict()
    assert {service.name for service in state.services} == EVERYTHING
    assert stack.settings.tracking_uri == stack.mlflow_url


def test_secrets_are_closed_to_others_and_so_are_the_folders_around_them(stack):
    home = stack.settings.home

    for secret in (
        "run/secrets.json",
        "run/env.sh",
        "run/state.json",
        "airflow/simple_auth_manager_passwords.json.generated",
    ):
        assert stat.S_IMODE((home / secret).stat().st_mode) == 0o600, secret
    for folder in ("run", "postgres", "airflow", "logs", "cache", "mlflow"):
        assert stat.S_IMODE((home / folder).stat().st_mode) == 0o700, folder


def test_the_generated_password_opens_the_api_and_a_wrong_one_does_not(stack):
    assert stack.call("GET", "/api/v2/monitor/health")["scheduler"]["status"] == "healthy"
    assert "dags" in stack.call("GET", "/api/v2/dags", user="viewer")

    anonymous = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError, match="401"):
        anonymous.open(f"{stack.airflow_url}/api/v2/dags", timeout=30)


def test_the_airflow_command_speaks_to_the_running_database(stack):
    assert "mlflow_default" in stack.airflow("connections", "get", "mlflow_default", "-o", "json")


def test_a_shell_that_sources_the_environment_file_has_the_airflow_command(stack):
    script = '. "$1" && airflow config get-value database sql_alchemy_conn'
    path = str(stack.settings.home / "run" / "env.sh")
    done = subprocess.run(
        ["bash", "-c", script, "bash", path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )

    assert "@/airflow?host=/" in done.stdout, done.stderr


def test_a_second_up_starts_nothing(stack):
    before = {service.name: service.pid for service in services.state(stack.settings).services}

    again = services.start(stack.settings)

    assert again.already_running
    assert again.airflow_url == stack.airflow_url
    assert {service.name: service.pid for service in services.state(stack.settings).services} == before


def test_an_artifact_goes_through_the_mlflow_server_and_comes_back(stack, tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient(stack.mlflow_url)
    run = client.create_run(client.create_experiment(f"services {tmp_path.name}"))
    client.log_text(run.info.run_id, "kept", "note.txt")

    assert Path(client.download_artifacts(run.info.run_id, "note.txt", str(tmp_path))).read_text() == "kept"
    assert list((stack.settings.home / "mlflow" / "artifacts").rglob("note.txt"))


def test_up_brings_back_the_one_service_that_died_and_leaves_the_others_alone(stack, wait_for):
    before = {service.name: service.pid for service in services.state(stack.settings).services}
    psutil.Process(before["scheduler"]).send_signal(signal.SIGKILL)
    wait_for(lambda: not services.state(stack.settings).running, 30, "the scheduler's death is seen")

    again = services.start(stack.settings)

    after = {service.name: service.pid for service in services.state(stack.settings).services}
    assert again.started == ("scheduler",)
    assert {name for name in EVERYTHING if after[name] != before[name]} == {"scheduler"}


def test_down_after_a_kill_of_everything_leaves_nothing_and_up_finds_all_data_again(stack, wait_for):
    from mlflow import MlflowClient

    MlflowClient(stack.mlflow_url).create_experiment("before the kill")
    everything = processes_of(stack)
    for service in services.state(stack.settings).services:
        psutil.Process(service.pid).send_signal(signal.SIGKILL)

    services.stop(stack.settings)

    wait_for(lambda: not any(is_alive(process) for process in everything), 30, "every process has ended")
    assert not processes_of(stack)
    assert not services.state(stack.settings).services

    services.start(stack.settings)
    assert services.state(stack.settings).healthy
    assert MlflowClient(stack.mlflow_url).get_experiment_by_name("before the kill") is not None


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
