"""The demo's backfills go through Airflow's own command line."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from slipstream.demo import backfills


def test_a_backfill_that_runs_already_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from airflow.cli import cli_parser
    from airflow.models.backfill import AlreadyRunningBackfill

    begun: list[str] = []

    def create(arguments: Any) -> None:
        if arguments.dag == "first":
            raise AlreadyRunningBackfill("Another backfill is running for Dag first.")
        begun.append(arguments.dag)

    parser = SimpleNamespace(parse_args=lambda line: SimpleNamespace(func=create, dag=line[-1]))
    monkeypatch.setattr(cli_parser, "get_parser", lambda: parser)
    lines = [["backfill", "create", "--dag-id", name] for name in ("first", "second")]
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(lines)))
    assert backfills.main() == 0
    assert begun == ["second"]
    assert "Another backfill is running for Dag first." in capsys.readouterr().err
