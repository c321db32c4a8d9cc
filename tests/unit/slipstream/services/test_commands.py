from __future__ import annotations

import os
import signal

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from slipstream import services
from slipstream.cli import services as commands
from slipstream.settings import get_settings


@pytest.fixture
def run(settings, fault, monkeypatch):
    app = typer.Typer()
    app.command("up")(commands.up)
    app.command("down")(commands.down)
    for name in ("home", "project", "airflow_port", "mlflow_port"):
        monkeypatch.setenv(f"SLIPSTREAM_{name.upper()}", str(getattr(settings, name)))
    get_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, arguments)
    get_settings.cache_clear()


def test_up_says_where_everything_is_and_a_second_one_says_the_same(run, settings):
    first, second = run("up"), run("up")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "Running already" in second.output
    for output in (first.output, second.output):
        assert f"http://127.0.0.1:{settings.airflow_port}" in output
        assert f"http://127.0.0.1:{settings.mlflow_port}" in output
        assert str(settings.home / "airflow" / "simple_auth_manager_passwords.json.generated") in output


def test_down_says_whether_there_was_anything_to_stop(run):
    run("up")

    assert "All services are stopped." in run("down").output
    assert "No services were running." in run("down").output


def test_a_service_that_dies_ends_up_with_its_log_and_exit_1(run, fault):
    fault("scheduler", "die")

    outcome = run("up")

    assert outcome.exit_code == 1
    assert "it cannot work like this" in outcome.output


def test_a_request_to_end_stops_what_was_started(run, settings, monkeypatch):
    start = services.start

    def interrupted(settings, *, progress, patience):
        def show(service: str, event: str) -> None:
            progress(service, event)
            if (service, event) == ("scheduler", "starting"):
                os.kill(os.getpid(), signal.SIGTERM)

        return start(settings, progress=show, patience=patience)

    monkeypatch.setattr(services, "start", interrupted)

    outcome = run("up")

    assert outcome.exit_code == 130
    assert "what was started has been stopped again" in outcome.output
    assert services.state(settings).services == ()


def test_the_status_table_names_each_service_and_its_health(run, settings):
    console = Console(width=200, record=True)
    console.print(commands.services_table(services.state(settings)))
    run("up")
    console.print(commands.services_table(services.state(settings)))

    shown = console.export_text()
    assert "not running" in shown
    assert shown.count("healthy") == 6


def test_on_a_terminal_the_board_changes_in_place(capsys):
    console = Console(force_terminal=True, width=80)
    with commands.Board(console) as board:
        board.show("postgres", "starting")
        board.show("postgres", "healthy")

    assert "healthy" in capsys.readouterr().out
