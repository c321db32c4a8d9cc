"""Performance once labels are known: the newest window whose labels have all had time to mature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Interval, iso
from slipstream.monitoring.inputs import performance_window
from slipstream.monitoring.rows import Measurement, measurements
from slipstream.monitoring.window import TIME, first_watched, read_predictions
from slipstream.promotion.frames import NUMBER

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake, Run
    from slipstream.monitoring.window import Predictions
    from slipstream.settings import Settings

JUDGED = {"binary_classification": "log_loss", "regression": "mae"}


@dataclass(frozen=True)
class PerformanceReport:
    """How well the published predictions of a window did, now that their labels are known.

    Attributes:
        predictions: How many were looked at: those of the newest version, after sampling.
        labelled: How many of them have a label.
        report: Where Evidently's page lies; None where nothing was judged.
    """

    model: str
    interval: str
    window_start: str
    window_end: str
    predictions: int
    labelled: int
    metrics: tuple[Measurement, ...]
    versions: Mapping[str, int]
    report: str | None = None

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

    At most ``monitoring.sample`` predictions are looked at, the same ones each time, all of the version that made the
    window's newest one: its own reference sample says how good they should be.

    Raises:
        NoChampionError: Nothing has been promoted yet.
        IncompleteError: Predictions of the window, or the intervals that hold its labels, are not in the lake.
    """
    from slipstream.features.labels import label_predictions

    window, since = performance_window(model, interval), first_watched(model, lake=lake)
    seen = read_predictions(model, interval, window, since=since, lake=lake, settings=settings)
    scored, versions = _of_newest(seen), dict(seen.read)
    labelled, metrics, path = scored.slice(0, 0), _pending(model, 0, 0, seen), None
    if scored.num_rows:
        counted = Interval(max(window.start, since), window.end)
        labelled, read = label_predictions(
            model, scored, counted, as_of=interval.end, definitions=definitions, lake=lake, settings=settings
        )
        versions = {**read, **versions}
        metrics, path = _judge(model, interval, labelled, seen, settings=settings)
    return PerformanceReport(
        model=model.name,
        interval=str(interval),
        window_start=iso(window.start),
        window_end=iso(window.end),
        predictions=scored.num_rows,
        labelled=labelled.num_rows,
        metrics=metrics,
        versions=versions,
        report=path,
    )


def _of_newest(seen: Predictions) -> pa.Table:
    import pyarrow.compute as pc

    if seen.version is None:
        return seen.rows.drop_columns(["model_version"])
    return seen.rows.filter(pc.equal(seen.rows["model_version"], seen.version)).drop_columns(["model_version"])


def _judge(
    model: Model, interval: Interval, labelled: pa.Table, seen: Predictions, *, settings: Settings
) -> tuple[tuple[Measurement, ...], str | None]:
    """Return what the labels say and where the page lies, or that the window is pending."""
    from slipstream.monitoring.baseline import open_baseline
    from slipstream.monitoring.reports import keep_report
    from slipstream.monitoring.snapshots import performance_page
    from slipstream.promotion import Registry

    predictions, rows, bounds = _of_newest(seen).num_rows, labelled.num_rows, model.monitoring
    # All that have a label, by the share of those that were looked at.
    labels = round(seen.counts[str(seen.version)] * rows / predictions)
    if labels < bounds.min_rows or rows < bounds.min_label_share * predictions:
        return _pending(model, rows, predictions, seen), None
    base = open_baseline(model, str(seen.version), Registry.from_settings(settings))
    reference, noise = base.reference, base.noise.loss
    metrics = (
        _label_share(model, rows, predictions),
        *measure_labelled(model, labelled, reference, predictions, noise),
    )
    page = performance_page(model.task, labelled, reference, bounds)
    return metrics, keep_report(model, interval, "performance", page, settings=settings)


def _pending(model: Model, rows: int, predictions: int, seen: Predictions) -> tuple[Measurement, ...]:
    """Say that the window is pending, and why."""
    bounds = model.monitoring
    few = rows >= bounds.min_label_share * predictions
    wanted = f"fewer than {bounds.min_rows}" if few else f"less than {bounds.min_label_share:.0%}"
    note = f"pending: {rows} of {predictions} predictions have labels; {wanted} are not judged."
    others = sorted(set(seen.counts) - {str(seen.version)}, key=int)
    if others:
        note += f" Those of version {', '.join(others)} do not count for version {seen.version}."
    if seen.in_sample:
        note += f" {seen.in_sample} more are of times that their version was trained on."
    window = Measurement("performance", "window", "count", float(rows), None, False, rows, 0, note)
    return (window, _label_share(model, rows, predictions))


def _label_share(model: Model, rows: int, predictions: int) -> Measurement:
    limit, share = model.monitoring.min_label_share, rows / predictions if predictions else None
    note = f"{predictions - rows} of {predictions} without a label"
    value = round(share, 9) if share is not None else None
    return Measurement("performance", "labels", "label_share", value, limit, False, predictions, 0, note)


def measure_labelled(
    model: Model, labelled: pa.Table, reference: pa.Table, predictions: int, noise: float
) -> tuple[Measurement, ...]:
    """Return the metrics of labelled predictions beside the reference's, and the drift of the labels."""
    now, then = _summary(model, labelled), _summary(model, reference)
    rows, missing = labelled.num_rows, f"{predictions - labelled.num_rows} of {predictions} without a label"
    counts, found = {"rows": rows, "reference_rows": reference.num_rows}, []
    for name in sorted(now):
        note = f"{then[name]:.4f} in the reference; {missing}"
        if name == JUDGED[model.task]:
            found.append(judge_loss(model, now[name], then[name], noise=noise, note=note, **counts))
        else:
            value = now[name] if math.isfinite(now[name]) else None
            found.append(Measurement("performance", name, "mean", value, None, False, note=note, **counts))
    return (*found, *_target_drift(model, labelled, reference))


def judge_loss(
    model: Model, value: float, reference: float, *, noise: float, rows: int, reference_rows: int, note: str = ""
) -> Measurement:
    """Return a window's loss beside what it may be: ``performance_margin`` above the reference's, or its noise."""
    limit = max(reference * (1 + model.monitoring.performance_margin), noise)
    shown = value if math.isfinite(value) else None
    return Measurement(
        "performance", JUDGED[model.task], "mean", shown, limit, value > limit, rows, reference_rows, note
    )


def _target_drift(model: Model, labelled: pa.Table, reference: pa.Table) -> list[Measurement]:
    """Return how far the labels are from the reference's, in its standard deviations also where they are classes."""
    from dataclasses import replace

    from slipstream.monitoring.columns import columns_frame, compare_frames, judge_columns

    kinds = {"label": NUMBER}
    now, then = (columns_frame(rows, kinds) for rows in (labelled, reference))
    bounds = model.monitoring.model_copy(update={"number_method": "wasserstein"})
    found = judge_columns(compare_frames(now, then, kinds, bounds), 0, bounds, {})
    means = [float(side["label"].mean()) for side in (now, then)]
    note = f"mean {means[0]:.4f}, {means[1]:.4f} in the reference"
    return [replace(each, note="; ".join(filter(None, [note, each.note]))) for each in found]


def _summary(model: Model, rows: pa.Table) -> dict[str, float]:
    from slipstream.metrics import summary

    # In a fixed order, for a sum of floats depends on it in the last bits.
    ordered = rows.sort_by([(name, "ascending") for name in (TIME, *model.key, "score", "label")])
    return summary(model.task, ordered["label"].to_numpy(), ordered["score"].to_numpy())
