"""What monitoring wrote of a span of time, as lines and as a map of features by windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Interval, Schedule, utc
from slipstream.overview.cache import LARGE, SMALL

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake, Table

REFERENCE = "reference"
NO_FEATURE = frozenset({"window", "reference_days", "weights"})
NO_METRIC = frozenset({"window", "labels"})
_COLUMNS = ("event_time", "window_start", "window_end", "model_version", "kind", "metric", "method", "value")
_JUDGED = ("threshold", "alarm", "note")
_SHOWN = ("drift", "prediction_drift", "performance")


@dataclass(frozen=True)
class Point:
    """A metric of one window of predictions, whose labels have matured.

    Attributes:
        at: The window's end, UTC.
        version: The version that predicted.
    """

    at: datetime
    value: float
    threshold: float | None
    alarm: bool
    version: str | None


@dataclass(frozen=True)
class Cell:
    """How far a feature was from the reference in one window."""

    value: float | None
    threshold: float | None
    alarm: bool
    method: str

    @property
    def strength(self) -> float:
        """The value in thresholds: 1 is on the bound."""
        if self.value is None or math.isnan(self.value) or not self.threshold:
            return 0.0
        return max(self.value / self.threshold, 0.0)


@dataclass(frozen=True)
class Window:
    """One window that was watched: of which interval, of which version."""

    interval: datetime
    start: datetime
    end: datetime
    version: str | None


@dataclass(frozen=True)
class HeatMap:
    """Features by windows, oldest first; a cell that was not measured is absent."""

    windows: Sequence[Window] = ()
    features: Sequence[str] = ()
    cells: Mapping[tuple[str, datetime], Cell] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """What monitoring found in a span.

    Attributes:
        metrics: Performance by metric, oldest first.
        heat: Drift, of features and of the score.
        pending: Why the newest window's performance is not known yet, in words; empty where it is.
        unjudged: Why the newest window's drift was not measured; empty where it was.
    """

    metrics: Mapping[str, Sequence[Point]]
    heat: HeatMap
    pending: str = ""
    unjudged: str = ""


def newest_watched(model: Model, *, lake: Lake) -> datetime | None:
    """Return the end of the newest interval that was monitored; None before there is one."""
    latest = SMALL.of(lake, model.monitoring_table, "last", lambda table: table.latest())
    return latest.end if latest else None


def watched(model: Model, span: Interval, *, lake: Lake) -> Watched:
    """Return what monitoring wrote for intervals that start in ``span``."""
    return LARGE.of(lake, model.monitoring_table, ("watched", str(span)), lambda table: _read(table, span))


def report_path(model: Model, interval: datetime, name: str) -> str:
    """Return where monitoring keeps the report of an interval, below the reports."""
    return f"{model.name}/{interval:%Y-%m-%dT%H%M%SZ}/{name}.html"


def interval_of(model: Model, start: datetime) -> Interval:
    """Return the monitoring interval that starts at, or holds, ``start``."""
    return Schedule(model.monitoring.schedule).interval_at(start)


def _read(table: Table, span: Interval) -> Watched:
    import pyarrow.compute as pc

    if table.stamp() is None:
        return Watched({}, HeatMap())
    there = set(table.schema().names)  # rows of before a column was added
    columns = [name for name in (*_COLUMNS, *_JUDGED, "compared_with") if name in there]
    found = table.read(span.start, span.end, columns=columns, where=pc.field("kind").isin(list(_SHOWN))).to_pylist()
    rows = [row for row in found if row.get("compared_with") in (None, REFERENCE)]
    rows.sort(key=lambda row: (row["event_time"], row["metric"]))
    performance = [row for row in rows if row["kind"] == "performance"]
    drift = [row for row in rows if row["kind"] in ("drift", "prediction_drift")]
    return Watched(_metrics(performance), _heat(drift), pending=_note(performance), unjudged=_note(drift))


def _metrics(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for row in rows:
        if row["value"] is not None and math.isfinite(row["value"]) and row["metric"] not in NO_METRIC:
            point = Point(utc(row["window_end"]), row["value"], row["threshold"], row["alarm"], row["model_version"])
            found.setdefault(row["metric"], []).append(point)
    return found


def _heat(rows: Iterable[Mapping[str, Any]]) -> HeatMap:
    windows: dict[datetime, Window] = {}
    features: dict[str, None] = {}
    cells: dict[tuple[str, datetime], Cell] = {}
    for row in rows:
        at, name = utc(row["event_time"]), row["metric"]
        if row["kind"] == "drift" and name in NO_FEATURE:
            continue
        windows[at] = Window(at, utc(row["window_start"]), utc(row["window_end"]), row["model_version"])
        name = "its score" if row["kind"] == "prediction_drift" else name
        features[name] = None
        cells[name, at] = Cell(row["value"], row["threshold"], row["alarm"], row["method"])
    ordered = sorted(features, key=lambda name: (name == "its score", name))
    return HeatMap([windows[at] for at in sorted(windows)], ordered, cells)


def _note(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the newest window says of itself as a whole, which it does where it was not judged."""
    newest = [row for row in rows if row["event_time"] == rows[-1]["event_time"]] if rows else []
    return next((row["note"] for row in newest if row["metric"] == "window"), "")
