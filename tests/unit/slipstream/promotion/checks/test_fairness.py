from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import FairnessCheck
from slipstream.promotion.gate import run_check

CHECK = FairnessCheck(check="fairness", columns=("kind",))
KIND = pa.array(["a", "b"] * 2000)


@pytest.fixture
def unfair(fair_coin):
    return np.where(np.arange(4000) % 2, np.clip(fair_coin[0] - 0.3, 0.01, 1), fair_coin[0])


def test_groups_that_are_alike_pass_with_no_champion_as_well(shop, compared, fair_coin):
    score, label = fair_coin
    for champion in (None, score):
        found = run_check(CHECK, compared(shop.model(), score, champion, label, kind=KIND))
        assert found.outcome == "passed"
        assert set(found.numbers["columns"][0]["challenger"]["rates"]) == {"a", "b"}
        json.dumps(found.as_dict(), allow_nan=False)


def test_a_group_that_is_chosen_less_often_fails_by_its_name(shop, compared, fair_coin, unfair):
    found = run_check(CHECK, compared(shop.model(), unfair, None, fair_coin[1], kind=KIND))
    assert found.outcome == "failed"
    assert "By kind, b is chosen" in found.sentence
    rates = found.numbers["columns"][0]["challenger"]["rates"]
    assert found.numbers["columns"][0]["challenger"]["ratio"] == pytest.approx(rates["b"] / rates["a"])


def test_less_fair_than_the_champion_fails_though_no_limit_is_set(shop, compared, fair_coin, unfair):
    score, label = fair_coin
    check = CHECK.model_copy(update={"min_ratio": None, "max_difference": None})
    worse = run_check(check, compared(shop.model(), unfair, score, label, kind=KIND))
    assert worse.outcome == "failed"
    assert "falls from" in worse.sentence
    assert run_check(check, compared(shop.model(), score, unfair, label, kind=KIND)).outcome == "passed"
    assert run_check(check, compared(shop.model(), unfair, unfair, label, kind=KIND)).outcome == "passed"


def test_where_nobody_is_chosen_all_are_alike(shop, compared, fair_coin):
    found = run_check(CHECK, compared(shop.model(), np.full(4000, 0.1), None, fair_coin[1], kind=KIND))
    assert (found.outcome, found.numbers["columns"][0]["challenger"]["ratio"]) == ("passed", 1.0)


def test_groups_too_small_or_of_one_class_are_passed_over(shop, compared, fair_coin):
    score, label = fair_coin
    kind = np.array(["a", "b"] * 2000, dtype=object)
    kind[:100], kind[100:400] = "few", "same"
    label = label.copy()
    label[100:400] = 0
    found = run_check(CHECK, compared(shop.model(), score, None, label, kind=pa.array(kind)))
    assert sorted(found.numbers["columns"][0]["passed_over"]) == ["few", "same"]
    alone = run_check(CHECK, compared(shop.model(), score, None, label, kind=pa.array(["a"] * 4000)))
    assert alone.outcome == "undecided"


def test_it_is_undecided_without_the_column_and_not_for_a_regression(shop, compared, fair_coin):
    score, label = fair_coin
    assert run_check(CHECK, compared(shop.model(), score, None, label)).outcome == "undecided"
    assert run_check(CHECK, compared(shop.model("regression"), score, None, label)).outcome == "not_applicable"
