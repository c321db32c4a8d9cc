from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from slipstream.definitions import SlicesCheck
from slipstream.promotion.checks.groups import groups_of
from slipstream.promotion.checks.slices import holm
from slipstream.promotion.gate import run_check

CHECK = SlicesCheck(check="slices", columns=("kind", "facts:size"), resamples=1000)


@pytest.fixture
def columns(fair_coin):
    kind = np.array(["a", "b", "c", "c"] * 1000, dtype=object)
    return {"kind": pa.array(kind), "facts__size": np.random.default_rng(1).normal(size=4000)}


def test_harm_to_one_group_fails_and_is_named_though_all_rows_together_gain(shop, compared, fair_coin, columns):
    score, label = fair_coin
    old = 0.5 + (score - 0.5) * 0.3
    new = np.where(columns["kind"].to_numpy(zero_copy_only=False) == "a", 0.5, score)
    found = run_check(CHECK, compared(shop.model(), new, old, label, **columns))
    assert found.outcome == "failed"
    assert "the worst is kind = a" in found.sentence
    assert found.numbers["harmed"] == 1
    assert len(found.numbers["slices"]) == 7
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_version_against_itself_harms_nobody(shop, compared, fair_coin, columns):
    score, label = fair_coin
    found = run_check(CHECK, compared(shop.model(), score, score, label, **columns))
    assert found.outcome == "passed"
    assert {each["harm"] for each in found.numbers["slices"]} == {0.0}
    assert found == run_check(CHECK, compared(shop.model(), score, score, label, **columns))


def test_equals_that_differ_by_noise_are_rarely_blamed(shop, compared, columns):
    chance, failed = np.random.default_rng(2), 0
    for _ in range(40):
        label = (chance.random(4000) < 0.4).astype(float)
        ours, theirs = (np.clip(0.4 + chance.normal(scale=0.05, size=4000), 0.05, 0.95) for _ in range(2))
        failed += run_check(CHECK, compared(shop.model(), ours, theirs, label, **columns)).outcome == "failed"
    assert failed <= 6


def test_a_margin_forgives_a_little_harm(shop, compared, fair_coin, columns):
    score, label = fair_coin
    worse = 0.5 + (score - 0.5) * 0.5
    strict = run_check(CHECK, compared(shop.model(), worse, score, label, **columns))
    kind = CHECK.model_copy(update={"margin": 0.2})
    assert strict.outcome == "failed"
    assert run_check(kind, compared(shop.model(), worse, score, label, **columns)).outcome == "passed"


def test_small_groups_are_passed_over_and_none_but_small_ones_leave_it_undecided(shop, compared, fair_coin):
    score, label = fair_coin
    rare = pa.array(["rare" if row % 40 == 0 else "usual" for row in range(4000)])
    check = SlicesCheck(check="slices", columns=("kind",), resamples=300)
    found = run_check(check, compared(shop.model(), score, score, label, kind=rare))
    assert [each["slice"] for each in found.numbers["slices"]] == ["usual"]
    assert found.numbers["passed_over"] == 1
    few = run_check(check, compared(shop.model(), score, score, label, kind=rare, days=3))
    assert few.outcome == "undecided"


def test_without_a_champion_it_does_not_apply_and_without_the_column_it_is_undecided(shop, compared, fair_coin):
    score, label = fair_coin
    assert run_check(CHECK, compared(shop.model(), score, None, label)).outcome == "not_applicable"
    found = run_check(CHECK, compared(shop.model(), score, score, label))
    assert found.outcome == "undecided"
    assert "no column kind, facts:size" in found.sentence


def test_numbers_are_cut_at_quantiles_and_the_missing_stand_apart(shop, compared):
    size = pa.array([None, float("nan"), *range(1, 99)], pa.float64())
    rows = compared(shop.model(), np.zeros(100), None, np.zeros(100), size=size, flag=pa.array([True, False] * 50))
    codes, names = groups_of(rows, "size", buckets=2)
    assert names == ["up to 49", "above 49", "missing"]
    assert np.bincount(codes).tolist() == [49, 49, 2]
    assert sorted(groups_of(rows, "flag", buckets=2)[1]) == ["False", "True", "missing"]


def test_holm_corrects_as_in_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
