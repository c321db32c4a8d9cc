"""From numbers to a decision: retrain or not, and why; every decision is a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Interval, iso, utc
from slipstream.monitoring.drift import DriftReport, report_drift
from slipstream.monitoring.performance import PerformanceReport, report_performance
from slipstream.monitoring.rows import Measurement, schema

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake, Run
    from slipstream.promotion import Registry
    from slipstream.settings import Settings

KINDS = ("data_quality", "drift", "prediction_drift", "performance")


@dataclass(frozen=True)
class Decision:
    """What an interval's monitoring came to.

    Attributes:
        alarms: Which of drift, prediction_drift, data_quality and performance are beyond their bounds.
        retrain: Whether a training should start.
        reason: Why, or why not, in a sentence.
        as_of: The time (UTC) that a training would stand at: the interval's end.
    """

    model: str
    interval: str
    model_version: str
    alarms: tuple[str, ...]
    retrain: bool
    reason: str
    as_of: str
    version: int
    digest: str
    changed: bool
    report: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "alarms": list(self.alarms)}


def decide(
    model: Model,
    interval: Interval,
    drift: DriftReport,
    performance: PerformanceReport,
    *,
    lake: Lake,
    settings: Settings,
    run: Run,
) -> Decision:
    """Judge the numbers of ``interval``, write them and the decision to ``monitoring/<model>``, and return it."""
    from slipstream.lake import Provenance
    from slipstream.promotion import Registry

    verdicts = verdicts_of(model, [*drift.metrics, *performance.metrics])
    alarms = tuple(verdict.metric for verdict in verdicts if verdict.alarm)
    newest = _newest_training(Registry.from_settings(settings), model, interval.end)
    retrain, reason = judge(model, interval, alarms, newest)
    decision = Measurement("decision", "retrain", "policy", float(retrain), None, bool(alarms), drift.rows, 0, reason)
    rows = _as_rows(interval, drift, performance, (*verdicts, decision))
    provenance = Provenance(run=run, inputs={**performance.versions, **drift.versions}, definition=model.digest)
    commit = lake.table(model.monitoring_table).write(interval, rows, provenance=provenance)
    return Decision(
        model=model.name,
        interval=str(interval),
        model_version=drift.model_version,
        alarms=alarms,
        retrain=retrain,
        reason=reason,
        as_of=iso(interval.end),
        version=commit.version,
        digest=commit.digest,
        changed=commit.changed,
        report=drift.report,
    )


def verdicts_of(model: Model, metrics: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Return one verdict a kind: features drift as a share, for the others any one metric beyond its bounds counts.

    A verdict whose value is None could not be given: too few rows or labels.
    """
    found = []
    for kind in KINDS:
        own = [metric for metric in metrics if metric.kind == kind]
        judged = [metric for metric in own if metric.threshold is not None and metric.value is not None]
        beyond = [metric.metric for metric in judged if metric.alarm]
        share = len(beyond) / len(judged) if judged else None
        limit = model.monitoring.drift_share if kind == "drift" else None
        alarm = bool(beyond) and (limit is None or (share or 0.0) >= limit)
        rows = max((metric.rows for metric in own), default=0)
        compared = max((metric.reference_rows for metric in own), default=0)
        note = f"beyond bounds: {', '.join(sorted(beyond))}" if beyond else "" if judged else "not judged"
        found.append(Measurement("verdict", kind, "share_beyond_bounds", share, limit, alarm, rows, compared, note))
    return tuple(found)


def judge(model: Model, interval: Interval, alarms: Sequence[str], newest: datetime | None) -> tuple[bool, str]:
    """Return whether to retrain, and the reason; ``newest`` is the time that the newest version stands at (UTC)."""
    policy = model.retraining
    reasons = {"drift": "drift", "prediction_drift": "drift", "performance": "performance"}
    wanted = sorted({reasons[alarm] for alarm in alarms if alarm in reasons and reasons[alarm] in policy.reasons})
    if not alarms:
        return False, "Nothing is beyond its bounds."
    if not wanted:
        return False, f"Beyond bounds: {', '.join(alarms)}; the policy does not retrain for it."
    if newest is not None and interval.end - newest < policy.cooldown:
        return (
            False,
            f"Beyond bounds: {', '.join(alarms)}; but the newest version is of {iso(newest)}, within cooldown.",
        )
    return True, f"Beyond bounds: {', '.join(alarms)}; retrain for {', '.join(wanted)}."


def monitor(
    model: Model, interval: Interval, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Decision:
    """Report drift and performance of one interval and decide: what the tasks do, in one call."""
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings, "run": run}
    drift = report_drift(model, interval, **source)
    performance = report_performance(model, interval, **source)
    return decide(model, interval, drift, performance, lake=lake, settings=settings, run=run)


def last_alarm(model: Model, *, lake: Lake) -> LastAlarm | None:
    """Return the newest interval whose decision found something beyond its bounds."""
    import pyarrow.compute as pc

    table = lake.table(model.monitoring_table)
    if not table.exists():
        return None
    judged = pc.field("kind").isin(["decision", "verdict"]) & pc.field("alarm")
    columns = ["kind", "metric", "window_end", "note", "value", "model_version"]
    rows: list[Mapping[str, Any]] = table.read(columns=columns, where=judged).to_pylist()
    decisions = [row for row in rows if row["kind"] == "decision"]
    if not decisions:
        return None
    newest = max(decisions, key=lambda row: row["window_end"])
    at = newest["window_end"]
    beyond = {row["metric"] for row in rows if row["kind"] == "verdict" and row["window_end"] == at}
    return LastAlarm(
        at=utc(at),
        alarms=tuple(kind for kind in KINDS if kind in beyond),
        reason=newest["note"],
        retrain=bool(newest["value"]),
        model_version=newest["model_version"],
    )


@dataclass(frozen=True)
class LastAlarm:
    """The newest decision with an alarm."""

    at: datetime
    alarms: tuple[str, ...]
    reason: str
    retrain: bool
    model_version: str

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "at": iso(self.at), "alarms": list(self.alarms)}


def _newest_training(registry: Registry, model: Model, until: datetime) -> datetime | None:
    """Return the time of the newest training before ``until``; one that this decision starts must not change it."""
    times = (registry.details(model.name, version).as_of for version in registry.versions(model.name))
    return max((time for time in times if time < until), default=None)


def _as_rows(
    interval: Interval, drift: DriftReport, performance: PerformanceReport, judged: Sequence[Measurement]
) -> pa.Table:
    import pyarrow as pa

    parts = [
        (drift.window_start, drift.window_end, drift.metrics),
        (performance.window_start, performance.window_end, performance.metrics),
        (drift.window_start, drift.window_end, judged),
    ]
    rows = [
        {
            **metric.as_dict(),
            "window_start": utc(start),
            "window_end": utc(end),
            "model_version": drift.model_version,
            "event_time": interval.start,
            "known_at": interval.end,
        }
        for start, end, metrics in parts
        for metric in metrics
    ]
    return pa.Table.from_pylist(rows, schema=schema())
