"""Only processes that others are forked from are warmed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from slipstream_airflow import listeners, warm

LOCAL, CELERY = "LocalExecutor", "CeleryExecutor"


@pytest.mark.parametrize(
    ("command", "executor", "role"),
    [
        ("/venv/bin/airflow scheduler --skip-serve-logs", LOCAL, "tasks"),
        ("/site/airflow/__main__.py scheduler", LOCAL, "tasks"),
        ("airflow scheduler", f"{CELERY},{LOCAL}", "tasks"),
        ("airflow scheduler", CELERY, None),
        ("airflow celery worker --queues default", CELERY, "tasks"),
        ("airflow dag-processor", LOCAL, "files"),
        ("airflow api-server", LOCAL, None),
        ("airflow triggerer", LOCAL, None),
        ("airflow dags list", LOCAL, None),
        ("airflow celery flower", CELERY, None),
        ("pytest scheduler", LOCAL, None),
        ("", LOCAL, None),
    ],
)
def test_a_process_is_known_by_its_command(command: str, executor: str, role: str | None) -> None:
    assert warm.role_of(command.split(), executor) == role


def test_a_library_that_cannot_be_imported_is_named_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert warm._import(["json", "slipstream_airflow.no_such_module"]) == ["slipstream_airflow.no_such_module"]
    assert "slipstream_airflow.no_such_module could not be imported" in caplog.text


def test_every_module_that_is_warmed_exists() -> None:
    import importlib.util

    names = (*warm.LIBRARIES, *warm.REASONS, *warm.STAGES, *warm.FILES)
    assert [name for name in names if importlib.util.find_spec(name) is None] == []


def test_what_gives_reasons_is_warmed_only_where_a_model_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from slipstream.definitions import Model, StabilityCheck
    from slipstream_airflow import generation

    found = generation.sound_definitions()
    assert warm._for_reasons() == warm.REASONS

    def with_models(**changes: object) -> None:
        models: dict[str, Model] = {name: each.model_copy(update=changes) for name, each in found.models.items()}
        monkeypatch.setattr(generation, "sound_definitions", lambda: replace(found, models=models))

    (model,) = list(found.models.values())[:1]
    silent = model.scoring.model_copy(update={"explain": None})
    with_models(scoring=silent, gate=())
    assert warm._for_reasons() == ()
    with_models(scoring=silent, gate=(StabilityCheck(check="stability"),))
    assert warm._for_reasons() == warm.REASONS


def test_a_tasks_own_process_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class TaskRunnerMarker:
        pass

    monkeypatch.setattr(sys, "argv", ["airflow", "scheduler"])
    monkeypatch.setattr(warm, "warm_this_process", lambda: pytest.fail("warmed a task"))
    listeners.on_starting(TaskRunnerMarker())


def test_a_setting_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from slipstream.settings import get_settings

    monkeypatch.setattr(sys, "argv", ["airflow", "dag-processor"])
    monkeypatch.setenv("SLIPSTREAM_WARM_WORKERS", "false")
    monkeypatch.setattr(warm, "warm", lambda role: pytest.fail("warmed in spite of the setting"))
    get_settings.cache_clear()
    try:
        warm.warm_this_process()
    finally:
        get_settings.cache_clear()


def test_dag_files_import_nothing_heavy() -> None:
    heavy = ["mlflow", "evidently", "great_expectations", "sklearn", "pandas", "duckdb", "deltalake", "shap"]
    line = f"import sys, slipstream_airflow.everything; print([n for n in {heavy} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip().splitlines()[-1] == "[]"
