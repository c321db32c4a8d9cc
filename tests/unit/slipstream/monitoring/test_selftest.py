from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from slipstream.definitions import Model
from slipstream.intervals import utc
from slipstream.monitoring.resampling import Days, windows_of
from slipstream.monitoring.selftest import SelfTest, selftest
from slipstream.promotion import Registry

DAY = timedelta(days=1)


def days(number: int, rows: int = 10) -> Days:
    return Days.of([utc("2013-01-01") + index // rows * DAY for index in range(number * rows)])


def test_days_are_drawn_of_the_same_day_of_the_week() -> None:
    drawn = days(21).draw(100, np.random.default_rng(0))
    assert [(int(day) + 1) % 7 for day in drawn] == [(int(drawn[0]) + 1 + number) % 7 for number in range(100)]
    assert len(set(drawn.tolist())) > 15


def test_blocks_of_days_stay_together() -> None:
    drawn = days(21).draw(70, np.random.default_rng(0), block=7)
    # The last days of the reference have fewer days after them.
    assert np.mean(np.diff(drawn) == 1) > 0.6
    assert [(int(day) + 1) % 7 for day in drawn] == [(int(drawn[0]) + 1 + number) % 7 for number in range(70)]


def test_a_reference_of_two_days_still_gives_every_day() -> None:
    assert set(days(2).draw(14, np.random.default_rng(0)).tolist()) == {0, 1}


def test_windows_are_sums_of_the_rows_drawn_on_their_days() -> None:
    usual = days(7)
    counts = usual.counts(np.arange(7), np.ones(70), 5.0, np.random.default_rng(0))
    assert counts.sum(axis=1).tolist() == [5.0] * 7
    assert windows_of(counts, 3, 2).sum(axis=1).tolist() == [15.0] * 3
    assert windows_of(counts, 7, 1)[0].tolist() == counts.sum(axis=0).tolist()


def test_rows_of_no_weight_are_not_drawn_and_leave_a_smaller_day() -> None:
    weight = np.where(np.arange(70) % 2, 0.0, 1.0)
    counts = days(7).counts(np.arange(7), weight, 6.0, np.random.default_rng(0))
    assert counts[:, weight == 0].sum() == 0
    assert counts.sum(axis=1).tolist() == [3.0] * 7


@pytest.fixture(scope="module")
def found(three_versions: tuple[Model, list[str]], mlflow_store: str) -> SelfTest:
    return run(three_versions, mlflow_store)


def run(three_versions: tuple[Model, list[str]], store: str, **how: Any) -> SelfTest:
    model, versions = three_versions
    bounds = model.monitoring.model_copy(update={"sample": 2000, "drift_share": 0.3})
    model = model.model_copy(update={"monitoring": bounds})
    how = {"years": 0.5, "trials": 6, "patience": 8, **how}
    return selftest(model, versions[-1], registry=Registry(store), **how)


def test_nothing_that_shifts_raises_few_alarms_and_a_wrong_unit_is_found(found: SelfTest) -> None:
    assert found.per_window == 420
    assert found.false_alarms["any"] <= 4
    caught = {each.shift: each for each in found.shifts}
    assert set(caught) >= {"+0.1 sd", "+0.5 sd", "+1 sd", "x 1.8 + 32", "5% missing", "x 1.5 positives"}
    assert caught["x 1.8 + 32"].windows is not None
    assert caught["x 1.8 + 32"].windows <= 3
    assert caught["+0.1 sd"].never > 0.5
    assert any(name.endswith("vanishes") for name in caught)


def test_the_same_seed_gives_the_same_numbers(
    found: SelfTest, three_versions: tuple[Model, list[str]], mlflow_store: str
) -> None:
    steps: list[tuple[int, int]] = []
    again = run(three_versions, mlflow_store, progress=lambda done, total: steps.append((done, total)))
    assert again == found
    assert steps[0] == (0, len(found.shifts) + 1)
    assert steps[-1] == (len(found.shifts) + 1, len(found.shifts) + 1)
