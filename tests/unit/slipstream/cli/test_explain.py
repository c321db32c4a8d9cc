from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from slipstream.definitions import Definitions
from slipstream.definitions.model import Explain
from slipstream.errors import NotFoundError
from slipstream.intervals import Interval, utc
from slipstream.scoring import score

Cli = Callable[..., Any]
START = utc("2013-01-21")
ORDER = str(20 * 60 + 1)


@pytest.fixture
def at_home(stocked_shop: Any, tree_champion: Any, enter: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the commands work in the stocked shop, of which one day is scored with two reasons a prediction."""
    enter(stocked_shop)
    scoring = tree_champion.scoring.model_copy(update={"explain": Explain(top=2, rows="all")})
    model = tree_champion.model_copy(update={"scoring": scoring})
    score(model, Interval(START, START + timedelta(days=1)), **stocked_shop.source, run=stocked_shop.run)
    monkeypatch.setattr(Definitions, "model", lambda _, name: model)  # it has no folder of its own
    return tree_champion.name


def test_a_prediction_is_explained_in_words_and_in_a_picture(at_home: str, slipstream: Cli, tmp_path: Path) -> None:
    picture = tmp_path / "why.png"

    found = slipstream("explain", at_home, "--key", f"order_id={ORDER}", "--picture", str(picture))

    assert found.exit_code == 0, found.exception
    words = " ".join(found.stdout.split())
    assert f"{at_home} version 1 gave order_id={ORDER} a chance of 0." in words
    assert "It begins at the baseline" in words
    assert "all other features" in words
    assert "odds times" in words
    assert "logarithm of the odds of a yes: 0 is an even chance" in words
    assert "stored with the prediction" in words
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_same_prediction_gives_the_same_picture_and_json_adds_up(at_home: str, answer: Cli, tmp_path: Path) -> None:
    pictures = [tmp_path / "first.svg", tmp_path / "second.SVG"]

    found = [answer("explain", at_home, "--key", f"order_id={ORDER}", "--picture", str(each)) for each in pictures]

    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert b"<svg" in pictures[0].read_bytes()
    one = found[0]
    total = one["baseline"] + sum(each["contribution"] for each in one["reasons"]) + one["others"]
    assert total == pytest.approx(one["margin"])
    assert (one["stored"], len(one["reasons"]), one["key"]) == (True, 2, {"order_id": int(ORDER)})


def test_every_feature_is_shown_where_that_is_asked(at_home: str, answer: Cli) -> None:
    found = answer("explain", at_home, "--key", f"order_id={ORDER}", "--at", "2013-01-21", "--all")
    assert (found["stored"], len(found["reasons"])) == (False, 3)


@pytest.mark.parametrize(
    "words",
    [("--key", "order_id"), ("--key", "order=1"), ("--key", "order_id=1", "--key", "order_id=2"), (),
     ("--key", f"order_id={ORDER}", "--picture", "why.pdf")],
)  # fmt: skip
def test_what_names_no_prediction_or_no_picture_is_wrong_usage(at_home: str, slipstream: Cli, words: Any) -> None:
    assert slipstream("explain", at_home, *words).exit_code == 2


def test_a_prediction_that_is_not_there_is_an_error(at_home: str, slipstream: Cli) -> None:
    found = slipstream("explain", at_home, "--key", "order_id=-5")
    assert isinstance(found.exception, NotFoundError)
