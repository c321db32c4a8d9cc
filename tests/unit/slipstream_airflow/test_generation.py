"""A broken definition has no DAG, and takes no other one down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slipstream.errors import DefinitionError
from slipstream_airflow.generation import doc, make_dags, require_sound, sound_definitions

SOURCE = """
name: {name}
description: Something.
schedule: "0 0 * * *"
start: 2013-01-01
connector: {{type: files, path: "{name}.csv", format: csv}}
columns: {{id: int64}}
key: [id]
event_time: interval_start
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("healthy", "broken"):
        folder = tmp_path / "sources" / name
        folder.mkdir(parents=True)
        (folder / "source.yaml").write_text(SOURCE.format(name=name), encoding="utf-8")
    return tmp_path


def test_the_healthy_definitions_stay_and_the_broken_one_is_named(root: Path) -> None:
    assert set(sound_definitions(root).sources) == {"healthy", "broken"}
    require_sound(root)
    (root / "sources/broken/source.yaml").write_text("name: broken\nkey: [nothing]\n", encoding="utf-8")
    assert set(sound_definitions(root).sources) == {"healthy"}
    with pytest.raises(DefinitionError, match=r"sources/broken/source\.yaml"):
        require_sound(root)


def test_definitions_are_read_again_only_when_a_file_has_changed(root: Path) -> None:
    first = sound_definitions(root)
    assert sound_definitions(root) is first
    path = root / "sources/healthy/source.yaml"
    path.write_text(path.read_text() + "owner: somebody\n", encoding="utf-8")
    assert sound_definitions(root).source("healthy").owner == "somebody"


def test_a_tasks_process_makes_only_the_dag_of_its_task(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(definition: Any) -> Any:
        return f"the DAG of {definition.name}"

    sources = sound_definitions(root).sources.values()
    assert set(make_dags("ingestion", make, sources)) == {"healthy.ingestion", "broken.ingestion"}
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "healthy.ingestion")
    assert make_dags("ingestion", make, sources) == {"healthy.ingestion": "the DAG of healthy"}


def test_a_dags_documentation_is_its_files_docstring_and_what_is_particular() -> None:
    text = doc("### Stage\n\n    Text.\n", owner="ada", retrains_for="", reads=None)
    assert text == "### Stage\n\nText.\n\n- **owner**: ada"
