"""From numbers to a decision: retrain or not, and why; every decision is a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Interval, Schedule, iso, utc
from slipstream.monitoring.drift import DriftReport, report_drift
from slipstream.monitoring.performance import PerformanceReport, report_performance
from slipstream.monitoring.rows import Measurement, schema
from slipstream.monitoring.state import alarm_state, alarm_states
from slipstream.monitoring.verdicts import verdicts_of

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake, Run
    from slipstream.promotion import Registry
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Decision:
    """What an interval's monitoring came to.

    Attributes:
        beyond: Which of data_quality, drift, prediction_drift and performance are beyond their bounds in its window.
        alarms: Which of them are in enough of the last windows: see ``alarm_state``.
        retrain: Whether a training should start.
        reason: Why, or why not, in a sentence.
        as_of: The time (UTC) that a training would stand at: the interval's end.
    """

    model: str
    interval: str
    model_version: str | None
    beyond: tuple[str, ...]
    alarms: tuple[str, ...]
    retrain: bool
    reason: str
    as_of: str
    version: int
    digest: str
    changed: bool
    report: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "beyond": list(self.beyond), "alarms": list(self.alarms)}


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
    """Judge the numbers of ``interval``, write them to ``monitoring/<model>``, and say what follows.

    The rows are of this window alone, the decision in them included: what the policy says of it by itself. Whether to
    retrain is asked of the alarms that are open after it, which are not written, for other windows may come later.
    """
    from slipstream.lake import Provenance
    from slipstream.promotion import Registry

    verdicts = verdicts_of(model, [*drift.metrics, *performance.metrics])
    beyond = tuple(verdict.metric for verdict in verdicts if verdict.alarm)
    newest = _newest_training(Registry.from_settings(settings), model, interval.end)
    alone, reason = judge(model, interval, beyond, newest)
    decision = Measurement("decision", "retrain", "policy", float(alone), None, bool(beyond), drift.rows, 0, reason)
    rows = _as_rows(interval, drift, performance, (*verdicts, decision))
    provenance = Provenance(run=run, inputs={**performance.versions, **drift.versions}, definition=model.digest)
    commit = lake.table(model.monitoring_table).write(interval, rows, provenance=provenance)
    state = alarm_state(model, lake=lake, at=interval.end)
    alarms = state.alarms if state is not None else ()
    retrain, reason = judge(model, interval, alarms, newest)
    if state is not None and beyond and not alarms:
        counts = ", ".join(f"{kind} in {state.beyond[kind]} of {state.windows} windows" for kind in beyond)
        reason = f"Beyond bounds: {counts}; an alarm takes {model.monitoring.persistence.alarms}."
    return Decision(
        model=model.name,
        interval=str(interval),
        model_version=drift.model_version,
        beyond=beyond,
        alarms=alarms,
        retrain=retrain,
        reason=reason,
        as_of=iso(interval.end),
        version=commit.version,
        digest=commit.digest,
        changed=commit.changed,
        report=drift.report,
    )


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
    """Return the newest window at whose end an alarm was open."""
    import pyarrow.compute as pc

    state = next((each for each in reversed(alarm_states(model, lake=lake)) if each.alarms), None)
    if state is None:
        return None
    last = Schedule(model.monitoring.schedule).interval_at(state.at - timedelta(microseconds=1))
    decided = lake.table(model.monitoring_table).read(
        last.start, last.end, columns=["note", "value"], where=pc.field("kind") == "decision"
    )
    row = decided.to_pylist()[0] if decided.num_rows else {"note": "", "value": 0.0}
    return LastAlarm(state.at, state.alarms, row["note"], bool(row["value"]), state.model_version)


@dataclass(frozen=True)
class LastAlarm:
    """The newest window at whose end an alarm was open, and what was decided of it."""

    at: datetime
    alarms: tuple[str, ...]
    reason: str
    retrain: bool
    model_version: str | None

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "at": iso(self.at), "alarms": list(self.alarms)}


def _newest_training(registry: Registry, model: Model, until: datetime) -> datetime | None:
    """Return the time of the newest training before ``until``; one that this decision starts must not change it.

    A version that somebody registered by hand stands at no time.
    """
    return max((at for at, _ in registry.times(model.name).values() if at < until), default=None)


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
