from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from slipstream.cli import definitions
from slipstream.errors import DefinitionError
from slipstream.settings import get_settings

app = typer.Typer()
app.command("check")(definitions.check)
app.add_typer(definitions.new, name="new")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SLIPSTREAM_PROJECT", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_new_then_check_is_green_and_counts(project: Path) -> None:
    runner = CliRunner()
    for kind, name in (("source", "readings"), ("view", "levels"), ("model", "next_reading")):
        result = runner.invoke(app, ["new", kind, name])
        assert result.exit_code == 0, result.output
        assert "slipstream check" in result.output
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 0
    assert "All is well: 1 source, 1 view, 1 model." in result.output


def test_problems_are_printed_with_place_and_suggestion_and_the_exit_code_is_1(project: Path) -> None:
    runner = CliRunner()
    runner.invoke(app, ["new", "source", "readings"])
    path = project / "include/sources/readings/source.yaml"
    path.write_text(path.read_text().replace("schedule:", "schedulee:").replace("key: [reading_id]", "key: [readng]"))
    result = runner.invoke(app, ["check", str(project / "include")])
    assert result.exit_code == 1
    assert "sources/readings/source.yaml" in result.output
    assert "schedulee" in result.output
    assert "Did you mean 'schedule'?" in result.output
    assert "2 problems in 1 file" in result.output


def test_json_is_one_document_in_a_stable_order(project: Path) -> None:
    runner = CliRunner()
    runner.invoke(app, ["new", "source", "readings"])
    path = project / "include/sources/readings/source.yaml"
    path.write_text(path.read_text().replace("schedule:", "schedulee:"))
    first, second = (runner.invoke(app, ["check", "--json"]) for _ in range(2))
    assert first.exit_code == second.exit_code == 1
    assert first.output == second.output
    report = json.loads(first.output)
    assert report["ok"] is False
    assert report["counts"] == {"models": 0, "sources": 1, "views": 0}
    assert report["problems"][0]["nearest"] == "schedule"
    assert report["problems"][0]["line"] == 4


def test_a_view_can_be_written_into_another_root_and_of_a_named_source(project: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    root = str(tmp_path / "elsewhere")
    for name in ("first", "second"):
        runner.invoke(app, ["new", "source", name, "--into", root])
    assert runner.invoke(app, ["new", "view", "levels", "--source", "second", "--into", root]).exit_code == 0
    assert "raw/second" in (tmp_path / "elsewhere/features/levels/view.yaml").read_text()


def test_a_folder_without_definitions_is_a_clear_error(project: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(project)])
    assert isinstance(result.exception, DefinitionError)
    assert "sources/, features/, models/" in str(result.exception)
