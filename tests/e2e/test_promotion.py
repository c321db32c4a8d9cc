"""Who may say yes to a version, until when, and what makes a yes void; asked through Airflow's API, as a person would.

The versions are those that the replay trained. The gate is opened wide, so that every question is asked.
"""

from __future__ import annotations

import json
import re
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slipstream import promotion
from slipstream.definitions import load_definitions
from slipstream.demo.steps import APPROVAL, Demo
from slipstream.lake import Run

pytestmark = pytest.mark.timeout(1200)  # whoever comes first waits for the replay
DAG, MODEL, FIRST, SECOND = "air_time.promotion", "air_time", "1", "2"
GATE = "gate: [{check: metric_gain, metric: squared_error, mode: non_inferiority, margin: 1.0e+9, resamples: 200}]\n"
LIMIT = 180.0

Ask = Callable[[], str]


@pytest.fixture(scope="module")
def definition(replay: Demo) -> Iterator[Path]:
    """Open the gate of the copied definition, with the replay's first version as champion."""
    path = replay.settings.definitions / "models" / MODEL / "model.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"^gate:\n(  .*\n)+", GATE, before, flags=re.MULTILINE), encoding="utf-8")
    assert len(load_definitions(replay.settings.definitions).model(MODEL).gate) == 1
    if champion(replay) != FIRST:
        back(replay)
    yield path
    path.write_text(before, encoding="utf-8")


@pytest.fixture
def ask(replay: Demo, definition: Path, wait_for: Any) -> Ask:
    """Give a function that lets the second version challenge, and returns the run once a person is asked."""

    def start() -> str:
        run_id = replay.api.trigger(DAG, {"challenger": SECOND})
        wait_for(lambda: run_id in replay.api.waiting(DAG, APPROVAL), LIMIT, "the question")
        return run_id

    return start


def back(replay: Demo) -> promotion.LedgerRow:
    return promotion.rollback(
        MODEL, reason="the storm was over", lake=replay.lake, settings=replay.settings, run=Run.local("ada")
    )


def registry(replay: Demo) -> promotion.Registry:
    return promotion.Registry.from_settings(replay.settings)


def champion(replay: Demo) -> str:
    return promotion.resolve_champion(MODEL, lake=replay.lake, settings=replay.settings)


def asked(replay: Demo, run_id: str) -> dict[str, Any] | None:
    found = replay.api.get(f"/dags/{DAG}/dagRuns/{run_id}/hitlDetails")["hitl_details"]
    return found[0] if found else None


def answer(stack: Any, run_id: str, option: str, user: str) -> int:
    """Answer as a user and return the status."""
    path = f"/api/v2/dags/{DAG}/dagRuns/{run_id}/taskInstances/{APPROVAL}/-1/hitlDetails"
    try:
        stack.call("PATCH", path, {"chosen_options": [option], "params_input": {}}, user=user)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def ended(replay: Demo, run_id: str, wait_for: Any) -> str:
    wait_for(lambda: replay.api.state(DAG, run_id) in ("success", "failed"), LIMIT, "the end of the promotion")
    return replay.api.state(DAG, run_id)


def last(replay: Demo) -> promotion.LedgerRow:
    return promotion.ledger(MODEL, lake=replay.lake)[-1]


def tag(replay: Demo, version: str) -> dict[str, Any]:
    tags = registry(replay).client.get_model_version(MODEL, version).tags
    return dict(json.loads(tags["slipstream.approval"]))


def test_silence_is_a_no_and_an_answer_after_it_is_late(
    replay: Demo, stack: Any, definition: Path, wait_for: Any
) -> None:
    text = definition.read_text(encoding="utf-8")
    definition.write_text(text.replace("timeout: 2d", "timeout: 5s"), encoding="utf-8")
    try:
        run_id = replay.api.trigger(DAG, {"challenger": SECOND})
        assert ended(replay, run_id, wait_for) == "success"
    finally:
        definition.write_text(text, encoding="utf-8")
    assert answer(stack, run_id, "Approve", "admin") == 409
    row = last(replay)
    assert (row.action, row.version, row.reason) == ("rejected", FIRST, "Nobody said yes in time.")
    assert row.approval is not None
    assert (row.approval["answer"], row.approval["by"]) == ("none", None)
    assert tag(replay, SECOND)["answer"] == "none"
    assert champion(replay) == FIRST


def test_a_rollback_while_a_question_waits_makes_its_yes_void(
    replay: Demo, stack: Any, ask: Ask, wait_for: Any
) -> None:
    run_id = ask()
    document = next(row.verdict for row in promotion.ledger(MODEL, lake=replay.lake) if row.challenger == SECOND)
    assert document is not None
    verdict = promotion.Verdict.from_dict(document)
    other = replace(verdict, outcome="accepted", comparison=replace(verdict.comparison, digest="other rows"))
    promotion.promote(MODEL, other, lake=replay.lake, settings=replay.settings, run=Run.local("bo"))
    assert back(replay).version == FIRST
    assert answer(stack, run_id, "Approve", "admin") == 200
    assert ended(replay, run_id, wait_for) == "failed"
    assert replay.api.failed_tasks(DAG, run_id) == ["promote_challenger"]
    row = last(replay)
    assert (row.action, row.version, row.challenger) == ("void", FIRST, SECOND)
    assert "by admin is void: while it waited, the champion was version 1 and now is version 1" in row.reason
    assert "(rolled back by ada)" in row.reason
    assert champion(replay) == FIRST
    assert tag(replay, SECOND)["void"]


def test_an_approver_says_yes_a_stranger_may_not_and_a_second_answer_is_late(
    replay: Demo, stack: Any, ask: Ask, wait_for: Any
) -> None:
    run_id = ask()
    question = asked(replay, run_id)
    assert question is not None
    assert question["subject"] == f"Promote {MODEL} version 2?"
    for words in ("Champion now: version 1", "metric_gain", f"/models/{MODEL}/versions/2/verdict"):
        assert words in question["body"]
    assert [user["id"] for user in question["assigned_users"]] == ["admin"]
    for stranger, status in (("", 401), ("viewer", 403), ("bo", 403), ("ada", 403)):
        assert answer(stack, run_id, "Approve", stranger) == status
    assert answer(stack, run_id, "Approve", "admin") == 200
    assert answer(stack, run_id, "Reject", "admin") == 409
    assert ended(replay, run_id, wait_for) == "success"
    row = last(replay)
    assert (row.action, row.version, row.replaces, row.by) == ("promoted", SECOND, FIRST, "admin")
    assert row.approval is not None
    assert (row.approval["answer"], row.approval["by"]) == ("yes", "admin")
    assert row.approval["asked"]["version"] == SECOND
    assert tag(replay, SECOND) == {"answer": "yes", "at": row.approval["at"], "by": "admin", "void": False}
    assert registry(replay).version(MODEL, "champion") == SECOND
