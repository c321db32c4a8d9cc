from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from slipstream import services
from slipstream.errors import ServiceError, SettingsError
from slipstream.services import boot, places, postgres, stack
from slipstream.services.places import Places
from slipstream.services.processes import family, identity, wait_until

ALL = ("postgres", "mlflow", "api-server", "dag-processor", "scheduler", "triggerer")


def pids(settings) -> dict[str, int | None]:
    return {service.name: service.pid for service in services.state(settings).services}


def nothing_is_left(settings) -> bool:
    home = Places(settings.home)
    return (
        not family({}, home.token)
        and postgres.postmaster(home.postgres / "data") is None
        and not any(path.exists() for path in (home.record, home.mlflow_address, home.airflow_address))
    )


def test_up_starts_every_service_and_down_leaves_nothing(settings, fault):
    running = services.start(settings)

    assert running.started == ALL
    assert services.state(settings).healthy
    assert settings.tracking_uri == f"http://127.0.0.1:{settings.mlflow_port}"
    assert set(services.stop(settings)) == set(ALL)
    assert nothing_is_left(settings)
    assert services.stop(settings) == ()


def test_a_second_up_starts_nothing_and_says_the_same(settings, fault):
    first = services.start(settings)
    before = pids(settings)

    second = services.start(settings)

    assert second.already_running
    assert (second.airflow_url, second.mlflow_url) == (first.airflow_url, first.mlflow_url)
    assert pids(settings) == before


def test_two_ups_at_once_make_one_stack_and_one_clear_error(settings, fault):
    outcomes: list[object] = []

    def up() -> None:
        try:
            outcomes.append(services.start(settings))
        except ServiceError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    errors = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
    started = [outcome for outcome in outcomes if isinstance(outcome, services.Stack) and not outcome.already_running]
    assert len(started) == 1
    assert all("Another `slipstream up`" in str(error) for error in errors)


@pytest.mark.parametrize("name", ["server", "db migrate", "scheduler"])
def test_a_service_that_dies_while_starting_is_shown_with_its_log_and_all_is_stopped(settings, fault, name):
    fault(name, "die")

    with pytest.raises(ServiceError, match=r"ended while the services were starting(.|\n)*it cannot work like this"):
        services.start(settings)

    assert nothing_is_left(settings)


def test_a_disk_that_fills_up_during_the_start_is_named_as_the_reason(settings, fault):
    fault("scheduler", "full")

    with pytest.raises(ServiceError, match="The disk is full: free some space"):
        services.start(settings)

    assert nothing_is_left(settings)


def test_a_disk_that_is_full_beforehand_stops_the_start_before_anything_runs(settings, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(places.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1_000_000))

    with pytest.raises(ServiceError, match="is full: 0 MB are free, at least 300 MB are wanted"):
        services.start(settings)

    assert nothing_is_left(settings)


def test_a_service_that_never_becomes_well_is_given_up_after_the_patience(settings, fault):
    fault("api-server", "never well")

    with pytest.raises(ServiceError, match="did not become well within 6 s"):
        services.start(settings, patience=6)

    assert nothing_is_left(settings)


@pytest.mark.parametrize("moment", ["postgres", "migration", "scheduler"])
def test_an_interrupt_at_any_moment_leaves_nothing_running(settings, fault, moment):
    def interrupt(service: str, event: str) -> None:
        if (service, event) == (moment, "starting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.start(settings, progress=interrupt)

    assert nothing_is_left(settings)
    assert services.start(settings).started == ALL


def test_up_completes_a_stack_of_which_one_service_died(settings, fault):
    services.start(settings)
    before = pids(settings)
    psutil.Process(before["triggerer"]).kill()
    assert wait_until(lambda: pids(settings)["triggerer"] is None, 10)
    assert not services.state(settings).running

    again = services.start(settings)

    assert again.started == ("triggerer",)
    assert {name for name in ALL if pids(settings)[name] != before[name]} == {"triggerer"}


def test_a_failed_completion_leaves_the_living_services_alone(settings, fault):
    services.start(settings)
    before = pids(settings)
    psutil.Process(before["triggerer"]).kill()
    assert wait_until(lambda: pids(settings)["triggerer"] is None, 10)
    fault("triggerer", "die")

    with pytest.raises(ServiceError, match="it cannot work like this"):
        services.start(settings)

    assert {name for name in ALL if pids(settings)[name] == before[name]} == set(ALL) - {"triggerer"}


def test_without_its_database_the_whole_stack_is_started_anew(settings, fault):
    services.start(settings)
    before = pids(settings)
    psutil.Process(before["postgres"]).kill()
    assert wait_until(lambda: pids(settings)["postgres"] is None, 10)

    assert services.start(settings).started == ALL
    assert not set(before.values()) & set(pids(settings).values())


def test_down_works_after_everything_was_killed(settings, fault):
    services.start(settings)
    for pid in pids(settings).values():
        psutil.Process(pid).kill()

    services.stop(settings)

    assert nothing_is_left(settings)
    assert services.start(settings).started == ALL


def test_down_kills_what_does_not_heed_and_finds_what_left_its_session(settings, fault, monkeypatch):
    monkeypatch.setattr(stack, "GRACE", 0.5)
    fault("scheduler", "stubborn")
    fault("triggerer", "escape")
    services.start(settings)
    escaped = [child for child in psutil.Process(pids(settings)["triggerer"]).children() if child.name() == "sleep"]
    assert len(escaped) == 1

    services.stop(settings)

    assert identity(escaped[0].pid) is None
    assert nothing_is_left(settings)


def test_down_finds_the_services_even_when_the_record_of_them_is_gone(settings, fault):
    services.start(settings)
    Places(settings.home).record.unlink()

    services.stop(settings)

    assert nothing_is_left(settings)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"services": 3}', '{"services": {}, "sockets": "x", "unknown": 1}']
)
def test_a_spoilt_record_is_no_hindrance(settings, fault, content):
    home = Places(settings.home)
    home.create()
    home.record.write_text(content, encoding="utf-8")

    assert services.state(settings).services == ()
    assert services.start(settings).started == ALL


def test_a_stale_record_never_kills_the_stranger_who_got_the_pid(settings, fault):
    services.start(settings)
    record = Places(settings.home).record
    stale = json.loads(record.read_text(encoding="utf-8"))
    services.stop(settings)
    stranger = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        for started in stale["services"].values():
            started["pid"] = stranger.pid
        record.write_text(json.dumps(stale), encoding="utf-8")

        assert not services.state(settings).running
        services.stop(settings)

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_wanted_port_that_is_in_use_is_a_clear_error_and_nothing_runs(settings, fault):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", settings.airflow_port))
        other.listen()

        with pytest.raises(SettingsError, match=rf"Port {settings.airflow_port} \(SLIPSTREAM_AIRFLOW_PORT\) is in use"):
            services.start(settings)

    assert nothing_is_left(settings)


def test_an_mlflow_server_of_the_users_own_is_used_and_none_is_started(settings, fault):
    own = settings.model_copy(update={"mlflow_tracking_uri": "http://mlflow.example:5000"})

    running = services.start(own)

    assert running.mlflow_url == "http://mlflow.example:5000"
    assert "mlflow" not in running.started
    _, environment = services.airflow_command(own)
    assert environment["SLIPSTREAM_MLFLOW_TRACKING_URI"] == "http://mlflow.example:5000"


def test_passwords_and_keys_outlive_a_restart(settings, fault):
    services.start(settings)
    home = Places(settings.home)
    before = (home.passwords.read_text(encoding="utf-8"), home.secrets.read_text(encoding="utf-8"))
    services.stop(settings)

    services.start(settings)

    assert (home.passwords.read_text(encoding="utf-8"), home.secrets.read_text(encoding="utf-8")) == before


def test_tables_are_migrated_once_a_version(settings, fault, monkeypatch):
    events: list[tuple[str, str]] = []
    services.start(settings)
    services.stop(settings)
    services.start(settings, progress=lambda *event: events.append(event))
    assert ("migration", "starting") not in events
    services.stop(settings)

    monkeypatch.setattr(boot, "version", lambda name: "99.0")
    services.start(settings, progress=lambda *event: events.append(event))

    assert ("migration", "healthy") in events


def test_the_airflow_command_without_services_says_what_to_do(settings):
    with pytest.raises(ServiceError, match="Run `slipstream up` first"):
        services.airflow_command(settings)


def test_a_home_below_a_file_says_so(settings, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(SettingsError, match="cannot hold the services"):
        services.start(settings.model_copy(update={"home": tmp_path / "file" / "home"}))


def test_a_second_interrupt_does_not_disturb_the_cleaning_up(settings, fault):
    def interrupt(service: str, event: str) -> None:
        if (service, event) == ("scheduler", "starting"):
            raise KeyboardInterrupt

    undo = boot.Boot._undo

    def interrupted_undo(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        undo(self)

    boot.Boot._undo = interrupted_undo
    try:
        with pytest.raises(KeyboardInterrupt):
            services.start(settings, progress=interrupt)
    finally:
        boot.Boot._undo = undo

    assert nothing_is_left(settings)


def test_the_permissions_of_folders_above_the_home_are_not_touched(settings, fault):
    above = Path(settings.home).parent
    above.chmod(0o700)

    services.start(settings)

    assert above.stat().st_mode & 0o777 == 0o700
