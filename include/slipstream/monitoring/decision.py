"""From numbers to a decision: retrain or not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Interval, iso, utc
from slipstream.monitoring.drift import DriftReport, report_drift
from slipstream.monitoring.inputs import inputs_read, watched_since
from slipstream.monitoring.performance import PerformanceReport, report_performance
from slipstream.monitoring.rows import Measurement, schema
from slipstream.monitoring.state import alarm_state
from slipstream.monitoring.verdicts import verdicts_of

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings


REASONS = {
    "drift": "drift",
    "prediction_drift": "drift",
    "performance": "performance",
    "new_labels": "new_labels",
}
"""What the policy calls an alarm, or the coming of labels."""


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
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    run: Run,
    backfill: bool = False,
) -> Decision:
    """Judge the numbers of ``interval``, write them to ``monitoring/<model>``, and say what follows.

    The rows are of this window alone. Which alarms are open, and whether to retrain for them, follows from several
    windows and from what was done before; that is decided of the newest window, once, in ``ledger/retraining``.

    Args:
        model: Whose numbers.
        interval: Of which interval.
        drift: What ``report_drift`` returned.
        performance: What ``report_performance`` returned.
        definitions: What the windows were made by.
        lake: Where the rows go.
        settings: Where the registry is.
        run: Who writes.
        backfill: The window is written after the fact: nothing is decided, now or by whoever sees the row.
    """
    from slipstream.features.inputs import contents
    from slipstream.lake import Provenance
    from slipstream.monitoring.reports import link_report
    from slipstream.monitoring.retraining import BACKFILL, consider
    from slipstream.promotion import Registry

    verdicts = verdicts_of(model, [*drift.metrics, *performance.metrics])
    beyond = tuple(verdict.metric for verdict in verdicts if verdict.alarm)
    inputs, extra = {**performance.versions, **drift.versions}, {BACKFILL: True} if backfill else {}
    needed = inputs_read(model, interval, watched_since(model, lake=lake), inputs, definitions=definitions)
    reads = contents(lake, needed, inputs)
    provenance = Provenance(run=run, inputs=inputs, definition=model.digest, reads=reads, extra=extra)
    rows = _as_rows(interval, drift, performance, verdicts)
    commit = lake.table(model.monitoring_table).write(interval, rows, provenance=provenance)
    if drift.report and drift.model_version:
        link_report(Registry.from_settings(settings), model, drift.model_version, interval, drift.report, settings)
    state = alarm_state(model, lake=lake, at=interval.end)
    alarms = state.alarms if state is not None else ()
    decided = None if backfill else consider(model, lake=lake, settings=settings, run=run)
    if decided is None:
        retrain, reason = False, "A backfill judges the past: nothing is decided, and nothing retrains."
    else:
        retrain, reason = decided.action == "retrain" and decided.as_of == interval.end, decided.reason
    if state is not None and beyond and not alarms:
        counts = ", ".join(f"{kind} in {state.beyond[kind]} of {state.windows} windows" for kind in beyond)
        reason = f"Beyond bounds: {counts}; an alarm takes {model.monitoring.persistence.alarms}. {reason}"
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


def reasons_of(model: Model, alarms: Sequence[str]) -> tuple[str, ...]:
    """Return for which of these alarms the policy of ``model`` retrains, by the policy's words."""
    found = {REASONS[alarm] for alarm in alarms if alarm in REASONS}
    return tuple(sorted(found & set(model.retraining.reasons)))


def judge(
    model: Model,
    interval: Interval,
    alarms: Sequence[str],
    newest: datetime | None,
    serving: datetime | None = None,
) -> tuple[bool, str]:
    """Return whether to retrain, and the reason.

    ``newest`` and ``serving`` are the times (UTC) that the newest version, and the one in service, stand at.
    """
    wanted = reasons_of(model, alarms)
    if not alarms:
        return False, "Nothing is beyond its bounds."
    if not wanted:
        return False, f"Beyond bounds: {', '.join(alarms)}; the policy does not retrain for it."
    free = free_from(model, newest, serving)
    if free is not None and interval.end < free:
        why = f"but the newest training is of {iso(newest)}, " if newest is not None else "but "
        return False, f"Beyond bounds: {', '.join(alarms)}; {why}and the next may start at {iso(free)}."
    return True, f"Beyond bounds: {', '.join(alarms)}; retrain for {', '.join(wanted)}."


def free_from(model: Model, newest: datetime | None, serving: datetime | None) -> datetime | None:
    """Return when the next training may start (UTC); None where there was none yet.

    It is a cool-down after the ``newest`` training, and not before new rows are ``min_new_share`` of those of the
    version in service, which stands at ``serving``: so a challenger that was rejected does not silence its alarm.
    """
    from slipstream.training.dataset import training_span

    policy, found = model.retraining, []
    if newest is not None:
        found.append(newest + policy.cooldown)
    if serving is not None and policy.min_new_share:
        found.append(serving + policy.min_new_share * training_span(model, serving).length)
    return max(found, default=None)


def monitor(
    model: Model, interval: Interval, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Decision:
    """Report drift and performance of one interval and decide: what the tasks do, in one call."""
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings, "run": run}
    drift = report_drift(model, interval, **source)
    performance = report_performance(model, interval, **source)
    return decide(model, interval, drift, performance, **source)


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
