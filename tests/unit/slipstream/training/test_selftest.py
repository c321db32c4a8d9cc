from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from slipstream.errors import DefinitionError, FatalError, NotFoundError
from slipstream.intervals import utc
from slipstream.promotion import decide
from slipstream.training import selftest_gate, train

EARLY, LATE = utc("2013-01-21"), utc("2013-02-08")
Few: Any = {"simulations": 100, "effects": (0.01, 0.5)}


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    return {}


@pytest.fixture
def champion(stocked_shop: Any, names: dict[str, Any]) -> Any:
    """Give a model whose champion was trained early, so that most of the shop's days are left."""
    if "model" not in names:
        shop, model = stocked_shop, stocked_shop.model()
        train(model, EARLY, run=shop.run, **shop.source)
        shop.settle(model, decide(model, **shop.source))
        names["model"] = model
    return names["model"]


def test_equals_are_held_to_alpha_and_gains_are_seen(stocked_shop: Any, champion: Any) -> None:
    steps: set[str] = set()
    found = selftest_gate(champion, **stocked_shop.source, **Few, show=lambda step, *_: steps.add(step))
    seed, days = found.equals
    assert (found.version, found.self_gain, found.self_promotion_rate) == ("1", 0.0, 0.0)
    assert (seed.identical, seed.false_promotion_rate, seed.power) == (True, 0.0, ())
    assert not days.identical
    assert (found.start, found.window_blocks) == (EARLY - champion.evaluation.window, 10)
    assert found.blocks >= 2 * found.window_blocks
    assert found.holds is (found.false_promotion_rate <= found.bound)
    assert found.power[0].rate <= found.power[1].rate == 1.0
    assert steps == {"Read the history", "Fit equals", "Simulate decisions"}
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert {"alpha", "simulations", "false_promotion_rate", "power", "bound", "holds"} <= set(plain)
    assert plain["power"][1] == {"effect": 0.5, "rate": 1.0}
    assert found == selftest_gate(champion, **stocked_shop.source, **Few)


def test_without_a_champion_it_says_what_is_wanted(stocked_shop: Any) -> None:
    with pytest.raises(NotFoundError, match="has no champion yet"):
        selftest_gate(stocked_shop.model(), **stocked_shop.source, **Few)


def test_too_few_days_are_told_with_what_would_do(stocked_shop: Any) -> None:
    shop, model = stocked_shop, stocked_shop.model()
    late = train(model, LATE, run=shop.run, **shop.source)
    with pytest.raises(FatalError, match=r"at least 20 blocks of time, twice an evaluation; found 1\d"):
        selftest_gate(model, **shop.source, **Few, version=late.version)
    short = model.evaluation.model_copy(update={"window": timedelta(days=4)})
    with pytest.raises(FatalError, match="decides nothing on fewer than 5"):
        selftest_gate(model.model_copy(update={"evaluation": short}), **shop.source, **Few, version=late.version)


def test_a_gate_without_a_test_has_nothing_to_test(stocked_shop: Any, champion: Any) -> None:
    bare = champion.model_copy(update={"gate": champion.gate[:1]})
    with pytest.raises(DefinitionError, match="has no metric_gain"):
        selftest_gate(bare, **stocked_shop.source, **Few)
