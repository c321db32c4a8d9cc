from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from slipstream.definitions.model import Monitoring
from slipstream.monitoring.columns import compare_columns, compare_frames, judge_columns
from slipstream.monitoring.distances import adjusted
from slipstream.monitoring.rows import Measurement

DICE = np.random.default_rng(11)
WORDS = np.array(["a", "b", "c", "d", None], dtype=object)


def frame(rows: int, *, move: float = 0.0, odds: tuple[float, ...] = (0.4, 0.3, 0.2, 0.05, 0.05)) -> pd.DataFrame:
    size = DICE.normal(move, 1, rows)
    size[:5] = np.nan
    few = DICE.integers(0, 4, rows).astype(float)
    return pd.DataFrame({"size": size, "few": few, "kind": DICE.choice(WORDS, rows, p=odds)})


KINDS = {"size": "double", "few": "double", "kind": "string"}
NOW, THEN = frame(400, move=0.3, odds=(0.1, 0.4, 0.3, 0.0, 0.2)), frame(700)


@pytest.mark.parametrize(
    ("numbers", "words"), [("wasserstein", "jensenshannon"), ("psi", "psi"), ("jensenshannon", "psi")]
)
def test_our_distances_are_evidentlys(numbers: Any, words: Any) -> None:
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test, psi_stat_test, wasserstein_stat_test
    from evidently.legacy.core import ColumnType

    tests = {"wasserstein": wasserstein_stat_test, "jensenshannon": jensenshannon_stat_test, "psi": psi_stat_test}
    found = compare_frames(NOW, THEN, KINDS, Monitoring(number_method=numbers, category_method=words))
    for name, kind in KINDS.items():
        method = numbers if kind == "double" else words
        about = ColumnType.Numerical if kind == "double" else ColumnType.Categorical
        theirs = tests[method].func(THEN[name].dropna(), NOW[name].dropna(), about, 0.1)
        assert found[name].method == method
        assert found[name].values[0] == pytest.approx(theirs[0])


def test_our_p_values_are_scipys() -> None:
    found = compare_frames(NOW, THEN, KINDS, Monitoring())
    now, then = NOW["size"].dropna(), THEN["size"].dropna()
    assert found["size"].p_values[0] == pytest.approx(stats.ks_2samp(now, then, method="asymp").pvalue)
    counts = [side["kind"].value_counts().reindex(list("abcd"), fill_value=0) for side in (NOW, THEN)]
    assert found["kind"].p_values[0] == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue)


def test_p_values_are_adjusted_as_scipy_adjusts_them() -> None:
    values = np.array([0.01, np.nan, 0.02, 0.03, 0.9, 0.04])
    known = ~np.isnan(values)
    assert adjusted(values)[known] == pytest.approx(stats.false_discovery_control(values[known]))
    assert np.isnan(adjusted(values)[1])


def test_many_windows_over_one_pool_are_measured_as_each_by_itself() -> None:
    bounds = Monitoring()
    picks = DICE.integers(0, len(THEN), (3, 250))
    weights = np.array([np.bincount(pick, minlength=len(THEN)) for pick in picks], dtype=float)
    together = compare_columns(THEN, weights, np.ones(len(THEN)), KINDS, bounds)
    for number, pick in enumerate(picks):
        alone = compare_frames(THEN.iloc[pick], THEN, KINDS, bounds)
        for name in KINDS:
            assert together[name].values[number] == pytest.approx(alone[name].values[0])
            assert together[name].missing[number] == pytest.approx(alone[name].missing[0])
            assert together[name].p_values[number] == pytest.approx(alone[name].p_values[0])


def judged(now: pd.DataFrame, then: pd.DataFrame, **bounds: Any) -> dict[tuple[str, str], Measurement]:
    settings = Monitoring(**bounds)
    weights = dict.fromkeys(KINDS, 1 / 3)
    rows = judge_columns(compare_frames(now, then, KINDS, settings), 0, settings, weights)
    return {(row.kind, row.metric): row for row in rows}


def test_chance_is_asked_about_only_in_small_samples() -> None:
    small, large = (judged(frame(rows), frame(rows), drift_threshold=0.001) for rows in (60, 600))
    assert {name for kind, name in small if kind == "significance"} == set(KINDS)
    assert small["drift", "size"].value > 0.001
    assert not small["drift", "size"].alarm
    assert "may be chance in a small sample" in small["drift", "size"].note
    assert not [key for key in large if key[0] == "significance"]
    assert large["drift", "size"].alarm


def test_a_small_sample_that_is_far_off_is_an_alarm_all_the_same() -> None:
    assert judged(frame(60, move=2.0), frame(60))["drift", "size"].alarm


def test_missing_values_have_a_threshold_of_their_own() -> None:
    now = frame(600)
    now.loc[: len(now) // 10, "few"] = np.nan
    found = judged(now, frame(600))
    assert found["data_quality", "few"].alarm
    assert not found["drift", "few"].alarm


@pytest.mark.parametrize("side", [0, 1])
def test_a_side_without_any_value_is_not_measured(side: int) -> None:
    sides = [frame(600), frame(600)]
    sides[side] = sides[side].assign(size=np.nan, kind=None)
    found = judged(*sides)
    assert {found["drift", name].value for name in ("size", "kind")} == {None}
    assert found["data_quality", "size"].alarm is (side == 0)


def test_the_order_of_rows_changes_no_number() -> None:
    mixed = NOW.sample(frac=1, random_state=1).reset_index(drop=True)
    assert judged(NOW, THEN) == judged(mixed, THEN)
