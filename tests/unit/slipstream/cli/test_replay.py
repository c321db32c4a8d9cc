from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from slipstream.intervals import utc
from slipstream.settings import get_settings
from slipstream.training import train

Cli = Callable[..., Any]


@pytest.fixture
def trained(stocked_shop: Any, enter: Any) -> str:
    """Let the commands work in the stocked shop's project, and give a version of a model of its definitions."""
    shop = stocked_shop
    enter(shop)
    model = shop.definitions.model("amount")
    found = train(model, utc("2013-02-09"), run=shop.run, **shop.source)
    return f"amount@{found.version}"


def test_a_version_that_comes_out_the_same_exits_well(trained: str, slipstream: Cli, answer: Cli) -> None:
    assert answer("replay", trained)["ok"] is True
    assert "equal in every bit" in slipstream("replay", trained).stdout


def test_a_version_that_cannot_be_rebuilt_exits_with_1_and_says_why(
    trained: str, slipstream: Cli, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_LAKE", str(tmp_path / "nothing"))
    get_settings.cache_clear()

    result = slipstream("replay", trained, "--json")

    assert result.exit_code == 1
    assert [each["outcome"] for each in json.loads(result.stdout)["findings"]] == ["same", "impossible"]
    assert slipstream("replay", trained).exit_code == 1
