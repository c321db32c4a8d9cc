from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipstream.definitions.schemas import FOLDER, schemas, write_schemas

PROJECT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schemas_in_the_docs_are_those_of_the_code(name: str) -> None:
    held = json.loads((PROJECT / FOLDER / name).read_text(encoding="utf-8"))
    assert held == schemas()[name], "run: python -m slipstream.definitions.schemas"


def test_writing_the_schemas_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in write_schemas(tmp_path)}
    assert {path.name: path.read_bytes() for path in write_schemas(tmp_path)} == first
    assert set(first) == {"source.json", "expectations.json", "view.json", "model.json", "policy.json"}


def test_a_schema_spells_durations_as_the_files_do() -> None:
    model = schemas()["model.json"]
    assert model["$defs"]["Evaluation"]["properties"]["window"]["default"] == "14d"
    assert model["properties"]["training"]["default"]["window"] == "365d"


def test_a_column_may_be_its_type_alone() -> None:
    (options,) = schemas()["source.json"]["properties"]["columns"]["patternProperties"].values()
    assert {"$ref": "#/$defs/Column"} in options["anyOf"]
    assert any("float64" in option.get("enum", ()) for option in options["anyOf"])
