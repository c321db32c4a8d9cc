from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from slipstream.intervals import utc
from slipstream.promotion.evaluation import Comparison
from slipstream.promotion.gate import Evidence

DAY = 86_400_000_000
Compared = Callable[..., Evidence]


def _compared(
    model: Any, challenger: Any, champion: Any, label: Any, *, days: int = 10, load: Any = None, **columns: Any
) -> Evidence:
    moment = utc("2013-02-01")
    times = utc("2013-01-01").timestamp() * 1e6 + np.arange(len(label)) * days // len(label) * DAY
    rows = {**columns, "prediction_time": pa.array(times.astype("int64"), pa.timestamp("us", tz="UTC"))}
    rows |= {"label": label, "challenger": challenger} | ({} if champion is None else {"champion": champion})
    comparison = Comparison(
        model=model.name,
        challenger="2",
        champion=None if champion is None else "1",
        as_of=moment,
        start=moment,
        end=moment,
        rows=len(label),
        versions={},
        digest="d",
        baseline=0.3,
        run_id="r",
        path="p",
        problem=None,
    )
    return Evidence(model, comparison, pa.table(rows), load)


@pytest.fixture
def compared() -> Compared:
    """Give a function of model, challenger's and champion's scores, labels and further columns that makes evidence."""
    return _compared


@pytest.fixture
def fair_coin() -> tuple[np.ndarray, np.ndarray]:
    """Give 4,000 chances and outcomes that were drawn by them."""
    chance = np.random.default_rng(3)
    score = chance.uniform(0.05, 0.95, 4000)
    return score, (chance.random(4000) < score).astype(float)


@pytest.fixture
def evidence_of() -> Compared:
    """Give ``compared`` by another name, for a module that has one of its own."""
    return _compared
