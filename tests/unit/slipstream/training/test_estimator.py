from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slipstream.definitions import Model
from slipstream.errors import DefinitionError
from slipstream.training import build_estimator, load_build


def model_with(shop, tmp_path: Path, text: str) -> Model:
    for file in ("population.sql", "label.sql"):
        (tmp_path / file).write_text("SELECT 1")
    (tmp_path / "estimator.py").write_text(text)
    model = shop.model().model_copy()
    model._folder, model._files = tmp_path, {}
    return model


def test_the_seed_reaches_the_estimator_as_random_state(shop):
    estimator = build_estimator(shop.model(), {"C": 0.5})
    assert estimator.named_steps["model"].get_params()["random_state"] == 7
    assert estimator.named_steps["model"].get_params()["C"] == 0.5


def test_an_edited_estimator_is_another_module(shop, tmp_path):
    first = load_build(model_with(shop, tmp_path, "def build(params):\n    return 1\n"))
    second = load_build(model_with(shop, tmp_path, "def build(params):\n    return 2\n"))
    assert (first({}), second({})) == (1, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def build(params:\n", "cannot be imported: SyntaxError"),
        ("import no_such_module\n", "cannot be imported: ModuleNotFoundError"),
        ("x = 1\n", r"wants a function build\(params\)"),
        ("def build(params):\n    raise ValueError('no such option')\n", "ValueError: no such option"),
        ("def build(params):\n    return object()\n", "gave a object without"),
    ],
)
def test_a_broken_estimator_is_a_definition_error_that_says_why(shop, tmp_path, text, said):
    with pytest.raises(DefinitionError, match=said):
        build_estimator(model_with(shop, tmp_path, text), {})


def test_two_fits_give_the_same_bytes(shop):
    from slipstream.training.dataset import read_parts
    from slipstream.training.fitting import fit

    model = shop.model()
    train, validation, _ = read_parts(model, shop.stage(model), settings=shop.settings)
    scores = [fit(model, {"C": 1.0}, train).predict_proba(validation.frame) for _ in range(2)]
    assert scores[0].tobytes() == scores[1].tobytes()
    assert len(np.unique(scores[0])) > 10
