from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstream.definitions import Model, OwnCheck
from slipstream.errors import RetriableError
from slipstream.promotion.gate import run_check

HEAD = "import numpy as np\nfrom slipstream.promotion import CheckResult\n\n\n"
SOUND = """def few_yes(evidence, *, most):
    share = float((evidence.challenger > 0.5).mean())
    outcome = "passed" if share <= most else "failed"
    return CheckResult("whatever", outcome, f"{share:.0%} are a yes.", {"share": share, "parts": (1, 2)})
"""
HALF = np.linspace(0, 1, 40)


def own_model(shop: Any, folder: Path, text: str, **settings: Any) -> tuple[Model, OwnCheck]:
    check = OwnCheck(check="own", function="checks:few_yes", settings=settings)
    for name in shop.model().training_files:
        (folder / name).write_text("", encoding="utf-8")
    (folder / "checks.py").write_text(HEAD + text, encoding="utf-8")
    model = shop.model(gate=(check,))
    model._folder, model._files = folder, {}
    return model, check


def test_a_function_of_the_folder_judges_the_evidence_with_its_settings(shop, compared, tmp_path) -> None:
    for most, outcome in ((0.6, "passed"), (0.4, "failed")):
        model, check = own_model(shop, tmp_path, SOUND, most=most)
        found = run_check(check, compared(model, HALF, HALF, HALF))
        assert (found.name, found.outcome, found.sentence) == ("few_yes", outcome, "50% are a yes.")
        assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no flights by night')", "ValueError: no flights by night"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("evidence.challenger[0] = 1", "read-only"),
        ("return True", "returned bool; wanted a CheckResult"),
        ("return None", "returned NoneType"),
        ("return CheckResult('x', 'fine', 'y')", "the outcome 'fine'; wanted one of passed, failed"),
        ("return CheckResult('x', ['passed'], 'y')", "the outcome ['passed']"),
        ("return CheckResult('x', 'passed', ' ')", "wanted words"),
        ("return CheckResult('x', 'passed', 'y', {'a': float('nan')})", "returned a = nan; wanted what JSON can hold"),
        ("return CheckResult('x', 'passed', 'y', {'a': np.float32(1)})", "returned a = 1.0"),
        ("return CheckResult('x', 'passed', 'y', [1])", "numbers that are list"),
    ],
)
def test_what_breaks_or_answers_otherwise_is_undecided_and_says_why(shop, compared, tmp_path, body, words) -> None:
    model, check = own_model(shop, tmp_path, f"def few_yes(evidence):\n    {body}\n")
    found = run_check(check, compared(model, HALF, HALF, HALF))
    assert (found.name, found.outcome) == ("few_yes", "undecided")
    assert words in found.sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [("x = 1\n", "has no function 'few_yes'"), ("x = \n", "cannot be imported"), (SOUND, "missing 1 required")],
)
def test_a_function_that_is_not_there_or_does_not_fit_is_undecided(shop, compared, tmp_path, text, words) -> None:
    model, check = own_model(shop, tmp_path, text)
    found = run_check(check, compared(model, HALF, HALF, HALF))
    assert found.outcome == "undecided"
    assert words in found.sentence


def test_a_link_out_of_the_folder_is_refused(shop, compared, tmp_path) -> None:
    outside, folder = tmp_path / "outside.py", tmp_path / "model"
    folder.mkdir()
    outside.write_text(HEAD + SOUND, encoding="utf-8")
    model, check = own_model(shop, folder, SOUND, most=1)
    (folder / "checks.py").unlink()
    (folder / "checks.py").symlink_to(outside)
    assert "may only name files in its own folder" in run_check(check, compared(model, HALF, HALF, HALF)).sentence


def test_its_text_belongs_to_the_definition_but_not_to_the_training(shop, tmp_path) -> None:
    first, _ = own_model(shop, tmp_path, SOUND, most=1)
    before = (first.digest, first.training_digest)
    second, _ = own_model(shop, tmp_path, SOUND.replace("0.5", "0.6"), most=1)
    second = second.model_copy(update={"name": first.name})
    assert second.digest != before[0]
    assert second.training_digest == before[1]
    assert second.as_record()["files"]["checks.py"] == second.text("checks.py")


def test_what_may_go_well_another_time_is_not_taken_for_a_finding(shop, compared, tmp_path) -> None:
    text = "from slipstream.errors import RetriableError\ndef few_yes(evidence):\n    raise RetriableError('wait')\n"
    model, check = own_model(shop, tmp_path, text)
    with pytest.raises(RetriableError):
        run_check(check, compared(model, HALF, HALF, HALF))
