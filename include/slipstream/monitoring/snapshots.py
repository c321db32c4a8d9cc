"""Evidently's pages about a window: what a person opens. The numbers that are judged are our own, and the same ones."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slipstream.promotion.frames import NUMBER

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from slipstream.definitions.model import Monitoring
    from slipstream.monitoring.rows import Measurement

COLUMNS = 30  # a column is 25 kB of a page, beside 3.7 MB that every page has


def drift_page(
    now: pd.DataFrame,
    then: pd.DataFrame,
    kinds: Mapping[str, str],
    measured: Sequence[Measurement],
) -> Any:
    """Return Evidently's report on missing values and drift; None where no column could be measured.

    Of many features, the page shows the score and those that the model uses most.
    """
    found = [each for each in measured if each.kind in ("drift", "prediction_drift") and each.value is not None]
    found = [each for each in found if each.metric in kinds and each.compared_with == "reference"]
    shown = sorted(found, key=lambda each: (each.kind == "drift", -(each.weight or 0), each.metric))[:COLUMNS]
    if not shown:
        return None
    _stay_quiet()
    from evidently import DataDefinition
    from evidently.metrics import MissingValueCount, ValueDrift

    names = [each.metric for each in shown]
    definition = DataDefinition(
        numerical_columns=[name for name in names if kinds[name] == NUMBER],
        categorical_columns=[name for name in names if kinds[name] != NUMBER],
    )
    metrics: list[Any] = [
        ValueDrift(column=each.metric, method=each.method, threshold=each.threshold) for each in shown
    ]
    metrics += [MissingValueCount(column=name) for name in names]
    return _run(metrics, now[names], then[names], definition)


def performance_page(task: str, now: pa.Table, then: pa.Table, bounds: Monitoring) -> Any:
    """Return Evidently's report on matured labels and the scores of their predictions, beside the reference's."""
    _stay_quiet()
    from evidently import BinaryClassification, DataDefinition, Regression
    from evidently.metrics import ValueDrift
    from evidently.presets import ClassificationPreset, RegressionPreset

    classes = task == "binary_classification"
    mine, theirs = (rows.select(["score", "label"]).to_pandas() for rows in (now, then))
    if classes:
        mine, theirs = (side.assign(label=side["label"].astype(int)) for side in (mine, theirs))
        definition = DataDefinition(
            numerical_columns=["score"],
            categorical_columns=["label"],
            classification=[BinaryClassification(target="label", prediction_probas="score", pos_label=1)],
        )
    else:
        definition = DataDefinition(
            numerical_columns=["score", "label"], regression=[Regression(target="label", prediction="score")]
        )
    method = bounds.category_method if classes else bounds.number_method
    metrics = [ValueDrift(column="label", method=method, threshold=bounds.drift_threshold)]
    return _run([*metrics, ClassificationPreset() if classes else RegressionPreset()], mine, theirs, definition)


def _stay_quiet() -> None:
    os.environ.setdefault("DO_NOT_TRACK", "1")


def _run(metrics: list[Any], now: pd.DataFrame, then: pd.DataFrame, definition: Any) -> Any:
    from evidently import Dataset, Report

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sides = [Dataset.from_pandas(side, data_definition=definition) for side in (now, then)]
        return Report(metrics).run(*sides)
