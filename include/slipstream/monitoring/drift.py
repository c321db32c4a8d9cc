"""Drift of features and predictions: the window against the champion's own reference sample, by effect size.

With many rows a p-value finds any shift, however small; so numbers are compared by the Wasserstein distance in units of
the reference's standard deviation, and categories by the Jensen-Shannon distance. Both are Evidently's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstream.monitoring.inputs import drift_window, sample_by_key
from slipstream.monitoring.rows import Measurement, measurements

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.intervals import Interval
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings

NUMBER_METHOD, CATEGORY_METHOD = "wasserstein", "jensenshannon"
MIN_VALUES = 30  # fewer say nothing about a distribution


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
    from slipstream.intervals import iso
    from slipstream.monitoring.reports import keep_report
    from slipstream.monitoring.window import read_window

    window = drift_window(model, interval)
    seen = read_window(model, interval, window, definitions=definitions, lake=lake, settings=settings)
    reference = sample_by_key(seen.reference, [*model.key, "prediction_time"], model.monitoring.sample)
    current = sample_by_key(seen.rows, [*model.key, "prediction_time"], model.monitoring.sample)
    path: str | None = None
    if current.num_rows < model.monitoring.min_rows:
        note = f"{current.num_rows} predictions in the window; fewer than {model.monitoring.min_rows} are not judged."
        metrics: tuple[Measurement, ...] = (
            Measurement("drift", "window", "count", float(current.num_rows), None, False, current.num_rows, 0, note),
        )
    else:
        snapshot, metrics = _measure(model, current, reference, seen.feature_columns)
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
    model: Model, current: pa.Table, reference: pa.Table, features: Sequence[str]
) -> tuple[Any, tuple[Measurement, ...]]:
    columns = [*features, "score"]
    now, then = current.select(columns).to_pandas(), reference.select(columns).to_pandas()
    numbers = [name for name in columns if now[name].dtype.kind in "biuf" and then[name].dtype.kind in "biuf"]
    usable = [name for name in columns if min(now[name].count(), then[name].count()) >= MIN_VALUES]
    limit = model.monitoring.drift_threshold
    snapshot, values = _run_evidently(now, then, usable, set(numbers), limit) if usable else (None, {})
    found = [_nulls(name, now, then, limit) for name in features]
    for name in columns:
        value = values.get(name)
        found.append(
            Measurement(
                kind="prediction_drift" if name == "score" else "drift",
                metric=name,
                method=NUMBER_METHOD if name in numbers else CATEGORY_METHOD,
                value=value,
                threshold=limit,
                alarm=value is not None and value > limit,
                rows=int(now[name].count()),
                reference_rows=int(then[name].count()),
                note="" if name in usable else f"fewer than {MIN_VALUES} values on one side",
            )
        )
    return snapshot, tuple(found)


def _nulls(name: str, now: pd.DataFrame, then: pd.DataFrame, limit: float) -> Measurement:
    share, before = float(now[name].isna().mean()), float(then[name].isna().mean())
    return Measurement(
        kind="data_quality",
        metric=name,
        method="missing_share_gain",
        value=share - before,
        threshold=limit,
        alarm=share - before > limit,
        rows=len(now),
        reference_rows=len(then),
        note=f"{share:.1%} missing, {before:.1%} in the reference",
    )


def _run_evidently(
    now: pd.DataFrame, then: pd.DataFrame, columns: Sequence[str], numbers: set[str], limit: float
) -> tuple[Any, dict[str, float]]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[name for name in columns if name in numbers],
        categorical_columns=[name for name in columns if name not in numbers],
    )
    metrics = [
        ValueDrift(column=name, method=NUMBER_METHOD if name in numbers else CATEGORY_METHOD, threshold=limit)
        for name in columns
    ]
    sides = [Dataset.from_pandas(side[list(columns)], data_definition=definition) for side in (now, then)]
    snapshot = Report(metrics).run(*sides)
    values = {metric["config"]["column"]: float(metric["value"]) for metric in snapshot.dict()["metrics"]}
    return snapshot, values
