from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slipstream.definitions import get_definitions, load_definitions, read_definitions
from slipstream.definitions.loading import read_root
from slipstream.errors import DefinitionError

SOURCE, VIEW = "sources/readings/source.yaml", "features/levels/view.yaml"


def test_loading_names_every_problem_in_one_error(root: Path, edit: Any) -> None:
    edit(SOURCE, ("schedule:", "schedulee:"))
    edit(VIEW, ("ttl: 7d", "ttl: long"))
    with pytest.raises(DefinitionError, match=r"(?s)2 problem.*ttl.*schedulee.*slipstream check"):
        load_definitions(root)


def test_a_name_that_does_not_exist_suggests_the_one_that_was_meant(root: Path) -> None:
    with pytest.raises(DefinitionError, match="Did you mean 'readings'"):
        load_definitions(root).source("reading")


def test_a_folder_and_its_definition_bear_one_name(root: Path) -> None:
    (root / "sources/readings").rename(root / "sources/measurements")
    (problem,) = read_definitions(root)[1]
    assert (problem.path, problem.found, problem.nearest, problem.line) == ("name", "readings", "measurements", 1)


def test_a_folder_without_its_file_says_what_it_has(root: Path) -> None:
    (root / SOURCE).rename(root / "sources/readings/source.yml")
    (problem,) = read_definitions(root)[1]
    assert problem.file == SOURCE
    assert "source.yml" in problem.message


def test_a_file_where_a_folder_belongs_is_a_problem(root: Path) -> None:
    (root / "sources/planes.yaml").write_text("name: planes")
    (problem,) = read_definitions(root)[1]
    assert "sources/planes/source.yaml" in problem.message


def test_what_is_broken_is_left_out_and_the_rest_is_read(root: Path, edit: Any) -> None:
    edit(VIEW, ("ttl: 7d", "tttl: 7d"))
    reading = read_root(root)
    assert list(reading.sound.sources) == ["readings"]
    assert list(reading.sound.views) == []
    assert list(reading.usable.views) == ["levels"]
    assert reading.names["features"] == {"levels"}


def test_an_expectation_that_is_broken_leaves_the_others_usable(root: Path, edit: Any) -> None:
    edit("sources/readings/expectations.yaml", ("kwargs: {column", "kwarg: {column"))
    contract = read_root(root).usable.source("readings").contract
    assert [each.type for each in contract.expectations] == ["expect_table_row_count_to_be_between"]
    assert contract._positions == (1,)


def test_sql_cannot_be_read_from_outside_its_folder_through_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.sql").write_text("SELECT 1")
    (root / "features/levels/view.sql").unlink()
    (root / "features/levels/view.sql").symlink_to(tmp_path / "elsewhere.sql")
    with pytest.raises(DefinitionError, match="own folder"):
        _ = load_definitions(root).view("levels").query


def test_prose_and_owner_do_not_change_the_digest_but_a_column_of_that_name_does(root: Path, edit: Any) -> None:
    before = load_definitions(root).source("readings").digest
    edit(SOURCE, ("description: Readings of sensors.", "description: Others.\nowner: somebody"))
    assert load_definitions(root).source("readings").digest == before
    edit(SOURCE, ("  sensor: string", "  sensor: string\n  owner: string"))
    with_owner = load_definitions(root).source("readings").digest
    assert with_owner != before
    edit(SOURCE, ("  owner: string", "  owner: int64"))
    assert load_definitions(root).source("readings").digest != with_owner


def test_the_sql_is_part_of_the_digest(root: Path, edit: Any) -> None:
    before = load_definitions(root).view("levels").digest
    edit("features/levels/view.sql", ("value FROM", "value + 1 AS value FROM"))
    assert load_definitions(root).view("levels").digest != before


def test_the_gate_changes_no_training(root: Path, edit: Any) -> None:
    before = load_definitions(root).model("next_value").training_digest
    edit("models/next_value/model.yaml", ("  - {check: baseline}\n", ""))
    assert load_definitions(root).model("next_value").training_digest == before
    edit("models/next_value/model.yaml", ("alpha: [0.1, 1.0]", "alpha: [0.1]"))
    assert load_definitions(root).model("next_value").training_digest != before


def test_definitions_are_read_again_only_when_a_file_has_changed(root: Path, edit: Any) -> None:
    first = get_definitions(root)
    assert get_definitions(root) is first
    edit(VIEW, ("ttl: 7d", "ttl: 17d"))
    assert get_definitions(root) is not first


def test_the_example_has_no_problem() -> None:
    project = Path(__file__).parents[4]
    definitions, problems = read_definitions(project / "include")
    assert problems == []
    assert {"schedules", "movements", "weather", "planes"} <= set(definitions.sources)
