"""Drift of features and predictions: the window against the champion's own reference sample, by effect size.

With many rows a p-value finds any shift, however small; so numbers are compared by the Wasserstein distance in units of
the reference's standard deviation, and categories by the Jensen-Shannon distance. Both are Evidently's.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstream.monitoring.inputs import drift_window
from slipstream.monitoring.rows import Measurement, measurements
from slipstream.promotion.frames import NUMBER

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.intervals import Interval
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings

NUMBER_METHOD, CATEGORY_METHOD = "wasserstein", "jensenshannon"
MIN_VALUES = 30  # fewer say nothing about a distribution
DIGITS = 9  # sums over categories differ in the last bits from one process to the next


@dataclass(frozen=True)
class DriftReport:
    """How far the window's features and predictions are from the reference, and where the report lies."""

    model: str
    interval: str
    model_version: str
    window_start: str
    window_end: str
    rows: int
    report: str | None
    metrics: tuple[Measurement, ...]
    versions: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        plain = {**self.__dict__, "versions": dict(self.versions)}
        return {**plain, "metrics": [metric.as_dict() for metric in self.metrics]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DriftReport:
        return cls(**{**values, "metrics": measurements(values["metrics"])})


def report_drift(
    model: Model, interval: Interval, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> DriftReport:
    """Compare the window that ends with ``interval`` (UTC) with the champion's reference sample, and keep the report.

    At most ``monitoring.sample`` rows a side are read into the report, the same ones each time.

    Raises:
        NoChampionError: Nothing has been promoted yet.
        IncompleteError: Predictions or features of the window are not in the lake.
    """
    from slipstream.features.sampling import sample_rows
    from slipstream.intervals import iso
    from slipstream.monitoring.reports import keep_report
    from slipstream.monitoring.window import read_window

    window = drift_window(model, interval)
    seen = read_window(model, interval, window, definitions=definitions, lake=lake, settings=settings)
    keys, size, current = [*model.key, "prediction_time"], model.monitoring.sample, seen.rows
    reference = sample_rows(seen.reference.to_batches(), seen.reference.schema, keys, size)
    path: str | None = None
    number, least = seen.predictions, model.monitoring.min_rows
    if number < least or not current.num_rows:
        note = f"{number} predictions in the window; fewer than {least} are not judged."
        metrics: tuple[Measurement, ...] = (
            Measurement("drift", "window", "count", float(number), None, False, number, 0, note),
        )
    else:
        snapshot, metrics = _measure(model, current, reference, seen.kinds)
        if snapshot is not None:
            path = keep_report(model, interval, "drift", snapshot, settings=settings)
    return DriftReport(
        model=model.name,
        interval=str(interval),
        model_version=seen.version,
        window_start=iso(window.start),
        window_end=iso(window.end),
        rows=current.num_rows,
        report=path,
        metrics=metrics,
        versions=seen.versions,
    )


def _measure(
    model: Model, current: pa.Table, reference: pa.Table, kinds: Mapping[str, str]
) -> tuple[Any, tuple[Measurement, ...]]:
    features, columns = list(kinds), [*kinds, "score"]
    now, then = _frame(current, kinds), _frame(reference, kinds)
    numbers = {name for name in columns if kinds.get(name, NUMBER) == NUMBER}
    usable = [name for name in columns if min(now[name].count(), then[name].count()) >= MIN_VALUES]
    limit = model.monitoring.drift_threshold
    # The spread of a constant is no unit to measure in.
    methods = {
        name: NUMBER_METHOD if name in numbers and then[name].nunique() > 1 else CATEGORY_METHOD for name in columns
    }
    snapshot: Any = None
    values: dict[str, float] = {}
    if usable:
        snapshot, values = _run_evidently(now, then, {name: methods[name] for name in usable}, numbers, limit)
    found = [_nulls(name, now, then, limit) for name in features]
    for name in columns:
        value = values.get(name)
        found.append(
            Measurement(
                kind="prediction_drift" if name == "score" else "drift",
                metric=name,
                method=methods[name],
                value=value,
                threshold=limit,
                alarm=value is not None and value > limit,
                rows=int(now[name].count()),
                reference_rows=int(then[name].count()),
                note="" if value is not None else f"fewer than {MIN_VALUES} values on one side",
            )
        )
    return snapshot, tuple(found)


def _frame(rows: pa.Table, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return features and score as the estimator sees them; an infinite number counts as missing."""
    import numpy as np

    from slipstream.promotion.frames import model_frame

    return model_frame(rows, {**kinds, "score": NUMBER}).replace([np.inf, -np.inf], np.nan)


def _nulls(name: str, now: pd.DataFrame, then: pd.DataFrame, limit: float) -> Measurement:
    share, before = float(now[name].isna().mean()), float(then[name].isna().mean())
    return Measurement(
        kind="data_quality",
        metric=name,
        method="missing_share_gain",
        value=round(share - before, DIGITS),
        threshold=limit,
        alarm=share - before > limit,
        rows=len(now),
        reference_rows=len(then),
        note=f"{share:.1%} missing, {before:.1%} in the reference",
    )


def _run_evidently(
    now: pd.DataFrame, then: pd.DataFrame, methods: Mapping[str, str], numbers: set[str], limit: float
) -> tuple[Any, dict[str, float]]:
    """Return Evidently's report and each column's value; its telemetry is off and its warnings are left out."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[name for name in methods if name in numbers],
        categorical_columns=[name for name in methods if name not in numbers],
    )
    metrics = [ValueDrift(column=name, method=method, threshold=limit) for name, method in methods.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sides = [Dataset.from_pandas(side[list(methods)], data_definition=definition) for side in (now, then)]
        snapshot = Report(metrics).run(*sides)
    found = {metric["config"]["column"]: float(metric["value"]) for metric in snapshot.dict()["metrics"]}
    return snapshot, {name: round(value, DIGITS) for name, value in found.items() if math.isfinite(value)}
