"""Rows that nobody thought of: no check may break on them, let alone promote because of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from slipstream.definitions import CalibrationCheck, GateCheck
from slipstream.promotion import gate
from slipstream.promotion.gate import run_check

ROWS, CHANCE = 60, np.random.default_rng(1)
SCORE, LABEL = CHANCE.uniform(0.1, 0.9, ROWS), np.tile([0.0, 1.0], ROWS // 2)
FEATURES = {
    "order_facts__size": np.linspace(-1, 1, ROWS),
    "order_facts__kind": ["a", "b"] * (ROWS // 2),
    "order_facts__rush": [True, False, None] * (ROWS // 3),
}
ODD: dict[str, dict[str, Any]] = {
    "all null": {"order_facts__size": pa.nulls(ROWS, pa.float64()), "order_facts__kind": pa.nulls(ROWS, pa.string())},
    "untyped nulls": {"order_facts__kind": pa.nulls(ROWS)},
    "infinite": {"order_facts__size": np.where(np.arange(ROWS) % 7 == 0, np.inf, np.linspace(-1, 1, ROWS))},
    "minus infinite and missing": {"order_facts__size": np.tile([-np.inf, np.nan, 1.0], ROWS // 3)},
    "one value": {"order_facts__size": np.zeros(ROWS), "order_facts__kind": ["a"] * ROWS},
    "a word a row": {"order_facts__kind": [f"word {row}" for row in range(ROWS)]},
    "constant scores": {"challenger": np.full(ROWS, 0.5), "champion": np.full(ROWS, 0.5)},
    "certain scores": {"challenger": LABEL, "champion": 1 - LABEL},
    "one class": {"label": np.ones(ROWS)},
    "one class a group": {"order_facts__kind": ["b", "a"] * (ROWS // 2)},
}
COLUMNS = ["order_facts:size", "order_facts:kind", "order_facts:rush"]
CHECKS: list[dict[str, Any]] = [
    {"check": "baseline"},
    {"check": "metric_gain", "resamples": 200},
    {"check": "calibration"},
    {"check": "slices", "columns": COLUMNS, "min_rows": 2, "resamples": 200},
    {"check": "fairness", "columns": COLUMNS, "min_rows": 2},
    {"check": "stability"},
    {"check": "value", "true_positive": 1, "resamples": 200},
    {"check": "schema"},
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("settings", CHECKS, ids=lambda each: str(each["check"]))
@pytest.mark.parametrize("name", ODD)
def test_no_check_breaks_on_odd_rows(shop, compared, name: str, settings: dict[str, Any]) -> None:
    columns: dict[str, Any] = {**FEATURES, "challenger": SCORE, "champion": SCORE[::-1], "label": LABEL, **ODD[name]}
    scores = {role: columns.pop(role) for role in ("challenger", "champion", "label")}
    given = compared(shop.model(), scores["challenger"], scores["champion"], scores["label"], **columns)
    found = run_check(TypeAdapter(GateCheck).validate_python(settings), given)
    assert "could not be computed" not in found.sentence
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_check_that_breaks_is_undecided_with_its_reason(shop, compared, monkeypatch) -> None:
    def broken(evidence: Any, settings: Any) -> Any:
        raise ZeroDivisionError("nothing to divide by\n in two lines")

    monkeypatch.setitem(gate._CHECKS, "calibration", broken)
    found = run_check(CalibrationCheck(check="calibration"), compared(shop.model(), SCORE, SCORE, LABEL))
    assert (found.name, found.outcome) == ("calibration", "undecided")
    assert found.sentence == "It could not be computed: ZeroDivisionError: nothing to divide by in two lines."
    assert gate.overall([found]) == "undecided"
