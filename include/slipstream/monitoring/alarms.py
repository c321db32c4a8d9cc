"""The last alarm of a model: since when it is open, how much, what was done about it, and what came of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from slipstream.intervals import Interval, Schedule, iso
from slipstream.monitoring.retraining import RetrainingRow, key_of, retrainings
from slipstream.monitoring.state import AlarmState, alarm_states

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake

Outcome = Literal["promoted", "rejected", "undecided"]


@dataclass(frozen=True)
class Alarm:
    """The newest window at whose end an alarm was open, and what came of it.

    Attributes:
        at: That window's end, UTC.
        since: The end of the first window from which on it was open.
        open: Whether it still is: no newer window was watched.
        notes: For each of the alarms what its verdict says in that window.
        decided: What was decided of that window: ``retrain``, ``no``, or None where nobody was asked.
        reason: Why.
        retrained_at: The time that the last training for it stands at; None where none has started.
        challenger: The version that came of that training, once it was judged.
        outcome: What became of the challenger; of a rejected one the alarm stays open.
    """

    model: str
    at: datetime
    since: datetime
    open: bool
    alarms: tuple[str, ...]
    model_version: str | None
    notes: Mapping[str, str]
    decided: str | None
    reason: str
    retrained_at: datetime | None
    challenger: str | None
    outcome: Outcome | None

    def as_dict(self) -> dict[str, Any]:
        retrained = iso(self.retrained_at) if self.retrained_at else None
        times = {"at": iso(self.at), "since": iso(self.since), "retrained_at": retrained}
        lists = {"alarms": list(self.alarms), "notes": dict(self.notes)}
        return {**self.__dict__, **times, **lists, "came_of_it": self.came_of_it}

    @property
    def came_of_it(self) -> str:
        """What was done about it, in a few words."""
        if self.retrained_at is None:
            return "a training is wanted" if self.decided == "retrain" else "not retrained"
        at = f"retrained as of {iso(self.retrained_at).removesuffix('T00:00:00Z')}"
        return f"{at}, challenger {self.challenger} {self.outcome}" if self.outcome else f"{at}, not judged yet"


def last_alarm(model: Model, *, lake: Lake) -> Alarm | None:
    """Return the newest alarm, open or not; None where there never was one."""
    states = alarm_states(model, lake=lake)
    index = next((n for n in range(len(states) - 1, -1, -1) if states[n].alarms), None)
    if index is None:
        return None
    state, first = states[index], index
    while first and states[first - 1].alarms and states[first - 1].model_version == state.model_version:
        first -= 1
    rows = retrainings(model, lake=lake)
    decision = next((row for row in reversed(rows) if row.key == key_of(state) and row.action != "started"), None)
    training = _training(rows, states[first].at, states[index + 1].at if index + 1 < len(states) else None)
    challenger, outcome = _outcome(model, training, lake)
    return Alarm(
        model=model.name,
        at=state.at,
        since=states[first].at,
        open=index == len(states) - 1,
        alarms=state.alarms,
        model_version=state.model_version,
        notes=_notes(model, state, lake),
        decided=decision.action if decision else None,
        reason=decision.reason if decision else "Nothing was decided: a backfill wrote the window, or nobody asked.",
        retrained_at=training.as_of if training else None,
        challenger=challenger,
        outcome=outcome,
    )


def _training(rows: Sequence[RetrainingRow], since: datetime, until: datetime | None) -> RetrainingRow | None:
    """Return the last training that started for an alarm of the windows in ``[since, until)``."""
    own = [row for row in rows if row.action == "started" and row.alarms and row.as_of >= since]
    own = [row for row in own if until is None or row.as_of < until]
    return own[-1] if own else None


def _outcome(model: Model, training: RetrainingRow | None, lake: Lake) -> tuple[str | None, Outcome | None]:
    from slipstream.promotion import ledger

    if training is None:
        return None, None
    judged = [row for row in ledger(model, lake=lake) if row.as_of == training.as_of and row.at > training.at]
    for row in reversed(judged):
        if row.action in ("promoted", "rejected", "undecided"):
            return row.challenger, row.action
    return None, None


def _notes(model: Model, state: AlarmState, lake: Lake) -> dict[str, str]:
    import pyarrow.compute as pc

    window = window_of(model, state.at)
    rows = lake.table(model.monitoring_table).read(
        window.start, window.end, columns=["metric", "note"], where=pc.field("kind") == "verdict"
    )
    notes = {row["metric"]: row["note"] or "" for row in rows.to_pylist()}
    return {kind: notes.get(kind, "") for kind in state.alarms}


def window_of(model: Model, at: datetime) -> Interval:
    """Return the interval of the monitoring schedule that ends at ``at``."""
    return Schedule(model.monitoring.schedule).interval_at(at - timedelta(microseconds=1))
