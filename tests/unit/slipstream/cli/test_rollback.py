from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipstream.cli.common import named_version
from slipstream.errors import NoChampionError, SlipstreamError, VerdictError
from slipstream.promotion import Registry
from slipstream.promotion.history import Entry, append, ledger
from slipstream.settings import get_settings

Cli = Callable[..., Any]


@pytest.fixture
def crowned(shop: Any, enter: Any) -> Any:
    """Give a model with two registered versions that were champions one after the other, the second by now."""
    enter(shop)
    model = shop.definitions.model("churn")
    first = shop.train(model).version
    client = Registry.from_settings(shop.settings).client
    twin = client.get_model_version("churn", first)
    second = client.create_model_version("churn", twin.source, twin.run_id, tags=twin.tags).version
    for version in (first, str(second)):
        entry = Entry(action="promoted", version=version, reason="It won.", by="ada", run_id="d/r", challenger=version)
        append(model, lake=shop.lake, run=shop.run, decide=lambda rows, entry=entry: entry)
    return model


def test_one_command_goes_back_to_the_champion_before(slipstream: Cli, home: Path, crowned: Any, shop: Any) -> None:
    done = slipstream("rollback", "churn", "--reason", "scores are off")

    assert done.exit_code == 0, (done.output, done.exception)
    assert "churn version 1 is champion again, in place of version 2" in done.output
    assert json.loads(slipstream("champion", "churn", "--json").stdout)["reason"] == "scores are off"
    assert Registry.from_settings(shop.settings).version("churn", "champion") == "1"
    again = slipstream("rollback", "churn", "--reason", "still off", "--json")
    assert isinstance(again.exception, VerdictError)


def test_repair_makes_the_alias_what_the_ledger_says(slipstream: Cli, answer: Cli, crowned: Any, shop: Any) -> None:
    registry = Registry.from_settings(shop.settings)
    before, held = (str(row.version) for row in ledger("churn", lake=shop.lake))
    registry.set_alias("churn", "champion", before)

    (found,) = answer("champion", "repair", "churn")
    assert found == {"model": "churn", "champion": held, "alias_before": before, "repaired": True}
    assert registry.version("churn", "champion") == held

    registry.set_alias("churn", "champion", before)
    assert named_version("churn@champion", shop.settings) == ("churn", held)  # as every reader does

    registry.set_alias("churn", "champion", None)
    shown = slipstream("champion", "repair").output
    assert f"churn: the alias was missing, the ledger names version {held}: put right." in shown
    assert "amount: the ledger names no champion, and so does the alias." in shown
    assert isinstance(slipstream("champion", "repair", "chrun").exception, SlipstreamError)


def test_the_champion_is_asked_for_with_or_without_the_word_show(answer: Cli, crowned: Any) -> None:
    assert answer("champion", "churn") == answer("champion", "show", "churn")
    assert answer("champion", "--at", "2000-01-01", "churn") == {"model": "churn", "version": None}


def test_without_a_champion_there_is_nothing_to_go_back_from(
    slipstream: Cli, home: Path, mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_TRACKING_URI", mlflow_store)
    get_settings.cache_clear()

    result = slipstream("rollback", "arrival_delay", "--reason", "scores are off")

    assert isinstance(result.exception, NoChampionError)


def test_a_rollback_wants_a_reason(slipstream: Cli) -> None:
    assert slipstream("rollback", "arrival_delay").exit_code == 2
