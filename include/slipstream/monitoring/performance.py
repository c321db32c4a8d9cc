"""Performance once labels are known: the newest window whose labels have all had time to mature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstream.monitoring.inputs import performance_window
from slipstream.monitoring.rows import Measurement, measurements

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.intervals import Interval
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings


@dataclass(frozen=True)
class PerformanceReport:
    """How well the published predictions of a window did, now that their labels are known."""

    model: str
    interval: str
    window_start: str
    window_end: str
    predictions: int
    labelled: int
    metrics: tuple[Measurement, ...]
    versions: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        plain = {**self.__dict__, "versions": dict(self.versions)}
        return {**plain, "metrics": [metric.as_dict() for metric in self.metrics]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PerformanceReport:
        return cls(**{**values, "metrics": measurements(values["metrics"])})


def report_performance(
    model: Model, interval: Interval, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> PerformanceReport:
    """Measure the published scores of the newest matured window (UTC) against their labels.

    What was published counts, whichever version made it; the newest one's reference sample says how good it should be.

    Raises:
        NoChampionError: Nothing has been promoted yet.
        IncompleteError: The intervals that hold the labels are not in the lake.
    """
    from slipstream.features.labels import label_predictions
    from slipstream.intervals import iso
    from slipstream.monitoring.window import newest_version
    from slipstream.promotion import Registry, resolve_champion

    window = performance_window(model, interval)
    table = lake.table(model.table)
    at, keys = table.version(), [*model.key, "prediction_time"]
    columns = [*keys, "score", "model_version"]
    scored = _no_predictions(keys) if at is None else table.read(window.start, window.end, columns=columns, version=at)
    version = newest_version(scored) or resolve_champion(model, lake=lake, settings=settings)
    scored = scored.select([*keys, "score"])
    labelled, versions = label_predictions(
        model, scored, window, as_of=interval.end, definitions=definitions, lake=lake, settings=settings
    )
    reference = Registry.from_settings(settings).reference(model.name, version)
    return PerformanceReport(
        model=model.name,
        interval=str(interval),
        window_start=iso(window.start),
        window_end=iso(window.end),
        predictions=scored.num_rows,
        labelled=labelled.num_rows,
        metrics=_measure(model, labelled, reference, scored.num_rows),
        versions={**versions, **({} if at is None else {model.table: at})},
    )


def _no_predictions(keys: list[str]) -> pa.Table:
    import pyarrow as pa

    types = {"prediction_time": pa.timestamp("us", tz="UTC"), "score": pa.float64()}
    names = [*keys, "score", "model_version"]
    return pa.schema([(name, types.get(name, pa.string())) for name in names]).empty_table()


def _measure(model: Model, labelled: pa.Table, reference: pa.Table, predictions: int) -> tuple[Measurement, ...]:
    rows, least = labelled.num_rows, model.monitoring.min_rows
    if rows < least:
        note = f"pending: {rows} of {predictions} predictions have labels; fewer than {least} are not judged."
        return (Measurement("performance", "window", "count", float(rows), None, False, rows, 0, note),)
    now = _summary(model, labelled)
    then = _summary(model, reference)
    missing = f"{predictions - rows} of {predictions} without a label"
    judged = "log_loss" if model.task == "binary_classification" else "mae"
    found = []
    for name in sorted(now):
        limit = then[name] * (1 + model.monitoring.performance_margin) if name == judged else None
        alarm = limit is not None and now[name] > limit
        value = now[name] if math.isfinite(now[name]) else None
        note = f"{then[name]:.4f} in the reference; {missing}"
        found.append(Measurement("performance", name, "mean", value, limit, alarm, rows, reference.num_rows, note))
    return tuple(found)


def _summary(model: Model, rows: pa.Table) -> dict[str, float]:
    from slipstream.metrics import summary

    # In a fixed order, for a sum of floats depends on it in the last bits.
    ordered = rows.sort_by([(name, "ascending") for name in ("prediction_time", *model.key, "score", "label")])
    return summary(model.task, ordered["label"].to_numpy(), ordered["score"].to_numpy())
