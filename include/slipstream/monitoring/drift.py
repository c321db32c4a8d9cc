"""Drift of features and predictions: the window against the champion's own reference sample, by effect size.

With many rows a p-value finds any shift, however small; so the size of a shift is judged, and chance is asked about
only where a sample is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from slipstream.definitions.personal import personal_features
from slipstream.intervals import iso
from slipstream.monitoring.columns import SCORE, columns_frame, compare_frames, judge_columns
from slipstream.monitoring.inputs import drift_window, earlier_windows
from slipstream.monitoring.rows import Measurement, measurements
from slipstream.monitoring.window import TIME, first_watched, read_predictions, with_features

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.intervals import Interval
    from slipstream.lake import Lake, Run
    from slipstream.monitoring.baseline import Baseline
    from slipstream.monitoring.window import Predictions
    from slipstream.settings import Settings

WEEK_DAYS = 7


@dataclass(frozen=True)
class DriftReport:
    """How far the window's features and predictions are from the reference, and where the report lies.

    Attributes:
        model_version: The version that made the newest predictions; None where the window has none.
        rows: How many rows were compared, after sampling.
    """

    model: str
    interval: str
    model_version: str | None
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
    window, since = drift_window(model, interval), first_watched(model, lake=lake)
    seen = read_predictions(model, interval, window, since=since, lake=lake, settings=settings)
    about = DriftReport(
        model=model.name,
        interval=str(interval),
        model_version=seen.version,
        window_start=iso(window.start),
        window_end=iso(window.end),
        rows=0,
        report=None,
        metrics=(),
        versions=dict(seen.read),
    )
    problem = _not_judged(model, window, since, seen)
    if problem or seen.version is None:
        empty = Measurement("drift", "window", "count", float(seen.number), None, False, seen.number, 0, problem or "")
        return replace(about, metrics=(empty,))
    source = {"definitions": definitions, "lake": lake, "settings": settings}
    return _compare(model, interval, window, since, seen, about, source)


def _not_judged(model: Model, window: Interval, since: datetime, seen: Predictions) -> str | None:
    """Say why the window is not judged; None where it is."""
    least = model.monitoring.min_rows
    if window.start < since:
        return (
            f"not judged: the window begins before {iso(since)}, the time of the first champion; "
            f"the first whole one ends at {iso(since + window.length)}."
        )
    if seen.number >= least:
        return None
    known = f"; {seen.in_sample} more are of times that their version was trained on" if seen.in_sample else ""
    return f"{seen.number} predictions in the window; fewer than {least} are not judged{known}."


def _compare(
    model: Model,
    interval: Interval,
    window: Interval,
    since: datetime,
    seen: Predictions,
    about: DriftReport,
    source: Mapping[str, Any],
) -> DriftReport:
    from slipstream.monitoring.baseline import open_baseline
    from slipstream.monitoring.reports import keep_report
    from slipstream.monitoring.snapshots import drift_page
    from slipstream.promotion import Registry

    registry, version = Registry.from_settings(source["settings"]), str(seen.version)
    base = open_baseline(model, version, registry)
    loaded, weights = base.loaded, base.weights
    rows, read = with_features(model, loaded, window, seen.rows, **source)
    reference, bounds = _bounded(model, base.reference), model.monitoring
    kinds = base.kinds
    now, then = columns_frame(rows, kinds), columns_frame(reference, kinds)
    alone = set(seen.counts) == {version}
    judged = kinds if alone else dict(loaded.kinds)
    found = judge_columns(compare_frames(now, then, judged, bounds), 0, bounds, weights, base.noise)
    if not alone:
        found.append(_two_versions(seen, bounds.drift_threshold, len(now), len(then)))
    found.append(_reference_days(reference))
    if base.importance.problem:
        note = f"all features weigh the same: {base.importance.problem}"
        found.append(Measurement("drift", "weights", "none", None, None, False, 0, len(then), note))
    for name, earlier in earlier_windows(model, window, since).items():
        found += _compare_earlier(name, model, interval, earlier, now, base, since, source)
    hidden = personal_features(judged, source["definitions"])
    page = drift_page(now, then, {name: kind for name, kind in judged.items() if name not in hidden}, found)
    path = keep_report(model, interval, "drift", page, settings=source["settings"]) if page is not None else None
    versions = {**read, **about.versions}
    return replace(about, rows=rows.num_rows, report=path, metrics=tuple(found), versions=versions)


def _bounded(model: Model, reference: pa.Table) -> pa.Table:
    from slipstream.features.sampling import sample_rows

    keys = [*model.key, TIME]
    return sample_rows(reference.to_batches(), reference.schema, keys, model.monitoring.sample)


def _two_versions(seen: Predictions, limit: float, rows: int, reference_rows: int) -> Measurement:
    who = " and ".join(sorted(seen.counts, key=int))
    note = f"not judged: the predictions that count are of version {who}, the newest one is of version {seen.version}"
    return Measurement("prediction_drift", SCORE, "none", None, limit, False, rows, reference_rows, note)


def _reference_days(reference: pa.Table) -> Measurement:
    import pyarrow.compute as pc

    days = pc.count_distinct(pc.floor_temporal(reference[TIME], unit="day")).as_py() if reference.num_rows else 0
    note = f"no whole week, so what depends on the day of the week may seem to drift: {days} day(s)"
    short = note if days < WEEK_DAYS else ""
    return Measurement("drift", "reference_days", "count", float(days), None, False, 0, reference.num_rows, short)


def _compare_earlier(
    name: str,
    model: Model,
    interval: Interval,
    earlier: Interval,
    now: pd.DataFrame,
    base: Baseline,
    since: datetime,
    source: Mapping[str, Any],
) -> list[Measurement]:
    """Compare the features with those of an earlier window; scores of another version say nothing, so none is."""
    bounds = model.monitoring
    then = read_predictions(model, interval, earlier, since=since, lake=source["lake"], settings=source["settings"])
    if then.number < bounds.min_rows:
        note = f"{then.number} predictions in the earlier window; fewer than {bounds.min_rows} are not compared."
        empty = Measurement("drift", "window", "count", float(then.number), None, False, len(now), then.number, note)
        return [replace(empty, compared_with=name)]
    kinds = base.loaded.kinds
    rows, _ = with_features(model, base.loaded, earlier, then.rows, **source)
    found = judge_columns(compare_frames(now, columns_frame(rows, kinds), kinds, bounds), 0, bounds, base.weights)
    return [replace(each, compared_with=name) for each in found]
