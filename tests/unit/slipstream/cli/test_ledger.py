from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from slipstream.errors import SlipstreamError
from slipstream.promotion.history import Entry, append
from slipstream.settings import get_settings

Cli = Callable[..., Any]
NO = {"answer": "no", "by": "cy", "at": "2026-03-02T10:00:00Z", "asked": {}}


@pytest.fixture
def decided(shop: Any, home: Any, shop_definitions: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a lake whose ledger knows an acceptance, a rejection and a rollback of churn, and one of another model."""
    values = {"HOME": shop.settings.home, "PROJECT": shop.settings.project, "DEFINITIONS": shop_definitions.root}
    for name, value in values.items():
        monkeypatch.setenv(f"SLIPSTREAM_{name}", str(value))
    get_settings.cache_clear()
    entries = [
        Entry(action="promoted", version="1", challenger="1", reason="First.", by="ada", run_id="d/1"),
        Entry(action="rejected", challenger="2", reason="Not [better].", by="gate", run_id="d/2", approval=NO),
        Entry(action="promoted", version="3", challenger="3", reason="Better.", by="ada", run_id="d/3"),
        Entry(action="rolled_back", version="1", reason="Scores are off.", by="bo", run_id="d/4"),
    ]
    for entry in entries:
        append("churn", lake=shop.lake, run=shop.run, decide=lambda rows, entry=entry: entry)
    append("gone", lake=shop.lake, run=shop.run, decide=lambda rows: entries[0])
    yield shop
    get_settings.cache_clear()


def test_every_decision_is_listed_oldest_first_with_who_and_why(decided: Any, answer: Cli) -> None:
    rows = answer("ledger", "churn")

    assert [row["action"] for row in rows] == ["promoted", "rejected", "promoted", "rolled_back"]
    assert [row["version"] for row in rows] == ["1", "1", "3", "1"]
    assert [row["replaces"] for row in rows] == [None, "1", "1", "3"]
    assert (rows[3]["by"], rows[3]["reason"]) == ("bo", "Scores are off.")
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)


def test_what_a_person_answered_is_shown_with_who_and_when(decided: Any, answer: Cli, slipstream: Cli) -> None:
    assert [row["approval"] for row in answer("ledger", "churn")] == [None, NO, None, None]
    assert "no by cy, 2026-03-02 10:00:00 UTC" in slipstream("ledger", "churn").stdout


def test_a_person_sees_rejections_and_words_in_brackets_as_they_are(decided: Any, slipstream: Cli) -> None:
    shown = slipstream("ledger", "churn").stdout

    assert "rejected" in shown
    assert "rolled back" in shown
    assert "Not [better]." in shown


def test_a_model_that_was_taken_away_keeps_its_history(decided: Any, answer: Cli) -> None:
    assert [row["model"] for row in answer("ledger", "gone")] == ["gone"]


def test_a_model_about_which_nothing_was_decided_has_an_empty_ledger(
    decided: Any, answer: Cli, slipstream: Cli
) -> None:
    assert answer("ledger", "amount") == []
    assert "Nothing was ever decided about amount" in slipstream("ledger", "amount").stdout


def test_a_name_that_no_model_has_is_refused(decided: Any, slipstream: Cli) -> None:
    assert isinstance(slipstream("ledger", "chrun").exception, SlipstreamError)
