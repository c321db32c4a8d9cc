from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slipstream.errors import SlipstreamError
from slipstream.promotion import evaluate_gate, reject, settle
from slipstream.settings import get_settings

Cli = Callable[..., Any]


@pytest.fixture
def judged(
    shop: Any, home: Any, three_versions: Any, shop_definitions: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Give a verdict on the third version of a model, which nobody has decided about, and the shop."""
    values = {"HOME": shop.settings.home, "PROJECT": shop.settings.project, "DEFINITIONS": shop_definitions.root}
    values["MLFLOW_TRACKING_URI"] = shop.settings.mlflow_tracking_uri
    for name, value in values.items():
        monkeypatch.setenv(f"SLIPSTREAM_{name}", str(value))
    get_settings.cache_clear()
    model, versions = three_versions
    found = shop.compare(model, challenger=versions[2], champion=None)
    yield shop, model, evaluate_gate(model, found, settings=shop.settings)
    get_settings.cache_clear()


def test_a_verdict_that_waits_is_shown_with_every_check(judged: Any, answer: Cli, slipstream: Cli) -> None:
    _, model, verdict = judged
    found = answer("verdict", f"{model.name}@{verdict.challenger}")
    assert found["digest"] == verdict.digest
    assert found["decision"] is None
    shown = slipstream("verdict", f"{model.name}@{verdict.challenger}").stdout
    assert "nobody has decided yet" in shown
    assert all(f"{each.name} " in shown and each.sentence in shown for each in verdict.checks)


def test_the_last_verdict_of_a_model_says_who_decided(judged: Any, answer: Cli, slipstream: Cli) -> None:
    shop, model, verdict = judged
    follow = settle if verdict.accepted else reject
    follow(model, verdict, lake=shop.lake, settings=shop.settings, run=shop.run, by="ada")
    found = answer("verdict", model.name)
    assert (found["challenger"], found["decision"]["by"]) == (verdict.challenger, "ada")
    assert "by ada" in slipstream("verdict", model.name).stdout


def test_report_and_card_can_be_saved_twice(judged: Any, answer: Cli, tmp_path: Path) -> None:
    _, model, verdict = judged
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        files = answer("verdict", f"{model.name}@{verdict.challenger}", "--save", str(folder))["files"]
    assert sorted(Path(file).name for file in files) == ["card.html", "card.md", "report.html", "verdict.json"]
    assert verdict.digest in (folder / "report.html").read_text(encoding="utf-8")


def test_without_mlflow_the_ledger_still_answers(judged: Any, answer: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, model, verdict = judged
    settle(model, verdict, lake=shop.lake, settings=shop.settings, run=shop.run, by="ada")
    monkeypatch.delenv("SLIPSTREAM_MLFLOW_TRACKING_URI")
    get_settings.cache_clear()
    assert answer("verdict", model.name)["links"] == {}


def test_a_version_without_a_verdict_and_an_unknown_model_are_refused(judged: Any, slipstream: Cli) -> None:
    _, model, _ = judged
    error = slipstream("verdict", f"{model.name}@999").exception
    assert isinstance(error, SlipstreamError)
    assert "There is no verdict" in str(error)
    assert isinstance(slipstream("verdict", "chrun").exception, SlipstreamError)
