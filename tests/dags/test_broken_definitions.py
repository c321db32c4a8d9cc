"""One mistake in one YAML file costs the DAGs of that definition, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from slipstream.settings import get_settings

DAGS = Path(__file__).resolve().parents[2] / "dags"


def test_a_broken_view_is_shown_as_an_import_error_and_all_else_stays(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, airflow_tables: None
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    broken = tmp_path / "include"
    shutil.copytree(project.root / "include", broken)
    view = broken / "features/order_facts/view.yaml"
    view.write_text(view.read_text(encoding="utf-8").replace("ttl:", "tll:"), encoding="utf-8")
    monkeypatch.setenv("SLIPSTREAM_DEFINITIONS", str(broken))
    get_settings.cache_clear()
    try:
        bag = DagBag(DAGS)
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
    assert [Path(name).name for name in bag.import_errors] == ["definitions.py"]
    assert "features/order_facts/view.yaml" in next(iter(bag.import_errors.values()))
    assert "order_facts.features" not in bag.dags
    assert {"orders.ingestion", "returns.training", "lake.maintenance"} <= set(bag.dags)
