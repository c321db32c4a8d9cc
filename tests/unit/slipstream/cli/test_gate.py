from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipstream.intervals import utc
from slipstream.training import train

Cli = Callable[..., Any]


@pytest.fixture
def trained(stocked_shop: Any, enter: Any) -> str:
    """Let the commands work in the stocked shop's project, and give a version of ``amount`` with days after it."""
    shop = stocked_shop
    enter(shop)
    return train(shop.definitions.model("amount"), utc("2013-01-21"), run=shop.run, **shop.source).version


def test_the_self_test_prints_rates_and_a_curve(trained: str, slipstream: Cli, tmp_path: Path) -> None:
    picture = tmp_path / "power.png"
    asked = ("gate", "selftest", "amount", "--version", trained, "--simulations", "100", "--effect", "0.3")

    result = slipstream(*asked, "--picture", str(picture))

    assert "against itself: a gain of 0, promoted in 0.0%" in result.stdout
    assert "fits on redrawn days" in result.stdout
    assert "30.0%" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    found = json.loads(slipstream(*asked, "--json").stdout)
    assert (found["alpha"], found["simulations"]) == (0.05, 100)
    assert [each["effect"] for each in found["power"]] == [0.3]
    assert result.exit_code == (0 if found["holds"] else 1)


def test_a_model_that_is_not_there_is_told(trained: str, slipstream: Cli) -> None:
    assert slipstream("gate", "selftest", "amount2").exit_code == 1
