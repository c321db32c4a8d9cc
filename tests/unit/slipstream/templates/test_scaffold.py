from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slipstream.checking import check_definitions
from slipstream.errors import DefinitionError
from slipstream.settings import Settings
from slipstream.templates import new_model, new_source, new_view

PROJECT = Path(__file__).parents[4]


def problems(root: Path) -> list[str]:
    return [str(problem) for problem in check_definitions(root, settings=Settings(project=root.parent)).problems]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "include"


def test_a_new_source_view_and_model_pass_the_check_in_an_empty_project(root: Path) -> None:
    new_source(root, "readings")
    assert problems(root) == []
    new_view(root, "levels")
    assert problems(root) == []
    new_model(root, "next_reading")
    assert problems(root) == []
    assert sorted(path.name for path in (root / "models/next_reading").iterdir()) == [
        "estimator.py",
        "label.sql",
        "model.yaml",
        "population.sql",
    ]


@pytest.mark.parametrize("source", ["movements", "planes", "schedules", "weather"])
def test_a_view_and_a_model_of_any_source_of_the_example_pass_the_check(root: Path, source: str) -> None:
    shutil.copytree(PROJECT / "include/sources", root / "sources")
    new_view(root, "fresh", source=source)
    new_model(root, "fresh_model", view="fresh")
    assert problems(root) == []


def test_a_model_of_words_and_of_a_named_view_passes_the_check(root: Path) -> None:
    for folder in ("sources", "features"):
        shutil.copytree(PROJECT / "include" / folder, root / folder)
    folder = new_model(root, "fresh_model", view="flight_schedule", source="schedules")
    assert problems(root) == []
    assert "flight_schedule__carrier" in (folder / "estimator.py").read_text()


def test_words_that_sql_has_another_use_for_are_quoted(root: Path) -> None:
    folder = new_source(root, "table")
    text = (folder / "source.yaml").read_text().replace("sensor:", "group:").replace("value:", "order:")
    (folder / "source.yaml").write_text(text)
    expectations = folder / "expectations.yaml"
    expectations.write_text(expectations.read_text().replace("column: value", "column: order"))
    new_view(root, "select")
    new_model(root, "where")
    assert problems(root) == []


def test_a_view_without_a_source_and_a_model_without_a_view_say_what_to_make_first(root: Path) -> None:
    with pytest.raises(DefinitionError, match="slipstream new source NAME"):
        new_view(root, "levels")
    new_source(root, "readings")
    with pytest.raises(DefinitionError, match="slipstream new view NAME"):
        new_model(root, "next_reading")
    assert not (root / "features").exists()


def test_a_source_that_is_not_there_is_refused_with_the_nearest(root: Path) -> None:
    new_source(root, "readings")
    with pytest.raises(DefinitionError, match="Did you mean 'readings'"):
        new_view(root, "levels", source="reading")


def test_a_view_that_no_source_can_be_joined_to_is_refused(root: Path) -> None:
    new_source(root, "readings")
    folder = new_view(root, "levels")
    text = (folder / "view.yaml").read_text().replace("entity: [sensor]", "entity: [station]")
    (folder / "view.yaml").write_text(text)
    with pytest.raises(DefinitionError, match="levels is of station"):
        new_model(root, "next_reading")


def test_nothing_is_written_over_what_is_there(root: Path) -> None:
    folder = new_source(root, "readings")
    (folder / "source.yaml").write_text("mine")
    with pytest.raises(DefinitionError, match="nothing was written"):
        new_source(root, "readings")
    assert (folder / "source.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["", "Readings", "my source", "1st", "../up", "a/b", "a" * 64, "on", "null", "_a", "ä"]
)
def test_what_is_no_name_is_refused_and_nothing_is_written(root: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="Wanted a name"):
        new_source(root, name)
    assert not root.exists()


def test_a_name_that_could_be_mended_is_suggested(root: Path) -> None:
    with pytest.raises(DefinitionError, match="my_source"):
        new_source(root, "My Source")


def test_a_write_that_fails_leaves_no_half_a_definition(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        new_source(root, "readings")
    assert list((root / "sources").iterdir()) == []


def test_a_new_file_names_its_schema_where_the_project_has_it(root: Path) -> None:
    plain = new_source(root, "plain")
    assert "yaml-language-server" not in (plain / "source.yaml").read_text()
    shutil.copytree(PROJECT / "docs/reference/schemas", root.parent / "docs/reference/schemas")
    for folder in (new_source(root, "readings"), new_view(root, "levels"), new_model(root, "next_reading")):
        for file in folder.glob("*.yaml"):
            line = file.read_text().splitlines()[0]
            assert line.startswith("# yaml-language-server: $schema=")
            assert (folder / line.partition("=")[2]).resolve().is_file()
    assert problems(root) == []
