"""The retraining policy at work: what was decided of the newest window, and which training started for what.

``monitoring/<model>`` says what is so, and may be written in any order. ``ledger/retraining`` says what was done about
it, row after row, and nothing in it is ever changed: a training is wanted once, and starts once, however many tasks,
events and tries ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from slipstream.intervals import Interval, Schedule, iso
from slipstream.lake import Journal
from slipstream.monitoring.decision import judge, reasons_of
from slipstream.monitoring.labels import new_labels
from slipstream.monitoring.state import AlarmState, alarm_state

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings

TABLE = "ledger/retraining"
BACKFILL = "backfill"  # marks, in a commit's provenance, a window that a backfill wrote
ON_ITS_WAY = timedelta(days=1)  # a training that has made no version for so long has failed

Action = Literal["retrain", "no", "started"]
Why = Literal["alarm", "schedule", "manual"]


@dataclass(frozen=True)
class RetrainingRow:
    """One row of ``ledger/retraining``.

    Attributes:
        action: ``retrain`` and ``no`` are decisions on a window; ``started`` is a training that began.
        why: Which of drift, performance, new_labels, schedule and manual.
        as_of: The time (UTC) that the training stands at: the window's end.
        key: What it is about: a window with its alarms, or the run of a training that nobody decided on.
        run_id: The run that wrote it: ``dag_id/run_id``.
    """

    model: str
    seq: int
    at: datetime
    action: Action
    why: tuple[str, ...]
    reason: str
    as_of: datetime
    alarms: tuple[str, ...]
    model_version: str | None
    key: str
    by: str
    run_id: str

    def as_dict(self) -> dict[str, Any]:
        lists = {"why": list(self.why), "alarms": list(self.alarms)}
        return {**self.__dict__, **lists, "at": iso(self.at), "as_of": iso(self.as_of)}


@dataclass(frozen=True)
class RetrainSignal:
    """A training that should start; ``decided`` says whether the policy was asked already."""

    model: str
    key: str
    as_of: datetime
    reason: str
    decided: bool

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "as_of": iso(self.as_of)}


def retrainings(model: Model | str, *, lake: Lake) -> list[RetrainingRow]:
    """Return every decision about trainings of ``model``, and every training that started, oldest first."""
    name = model if isinstance(model, str) else model.name
    return [_row(each) for each in journal(lake).rows(name)]


def consider(model: Model, *, lake: Lake, settings: Settings, run: Run) -> RetrainingRow | None:
    """Decide whether to retrain for the newest window, and write the decision; None where nothing was watched.

    A window with the same alarms once more returns the row that is there. Never call it for a backfill.
    """
    state = alarm_state(model, lake=lake)
    if state is None:
        return None
    times = _times(model, settings)

    def decide(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        made = next((each for each in rows if each["key"] == key_of(state) and each["action"] != "started"), None)
        if made is not None:
            return made
        why, reason = _decide(model, state, [_row(each) for each in rows], times, lake)
        action: Action = "retrain" if why else "no"
        return {**_facts(run), **_about(state), "action": action, "why": _text(why), "reason": reason}

    found = journal(lake).append(model.name, decide, run=run)
    return _row(found[0]) if found else None


def retrain_signal(model: Model, *, lake: Lake) -> RetrainSignal | None:
    """Return the training that should start and has not, from the lake alone; None where there is none.

    It is the newest decision to retrain that no training has claimed; or, where the newest window was written by
    somebody who did not ask the policy, that window, if it has an alarm that the policy knows. A window that a backfill
    wrote, or that has an alarm only since a backfill wrote one beside it, never counts.
    """
    rows = retrainings(model, lake=lake)
    wanted = _unclaimed(rows)
    if wanted is not None:
        return RetrainSignal(model.name, wanted.key, wanted.as_of, wanted.reason, decided=True)
    state = alarm_state(model, lake=lake)
    if state is None or not (reasons_of(model, state.alarms) or "new_labels" in model.retraining.reasons):
        return None
    if any(row.key == key_of(state) for row in rows) or _written_by_backfill(model, state, lake):
        return None
    alarms = ", ".join(state.alarms) or "none"
    reason = f"The window that ends at {iso(state.at)} was not decided on yet; its alarms: {alarms}."
    return RetrainSignal(model.name, key_of(state), state.at, reason, decided=False)


def claim(
    model: Model, why: Why, *, as_of: datetime | None = None, lake: Lake, settings: Settings, run: Run, reason: str = ""
) -> RetrainingRow | None:
    """Write that a training starts in this run, and return the row; None where there is none left to start.

    Each decision to retrain is claimed by one run; the same run again (a retried task) gets the row that it wrote.
    Trainings by hand and by schedule always start; they are written down, too.

    Args:
        model: What is to be trained.
        why: ``alarm``: for what monitoring found. Decides first, where nobody has.
        as_of: The time (UTC) that a training by hand or schedule stands at; an alarm's is its window's end.
        lake: Where the ledger is.
        settings: Where the registry is.
        run: The run of the training.
        reason: Why, in words, where a person said so.
    """
    if why == "alarm":
        signal = retrain_signal(model, lake=lake)
        if signal is not None and not signal.decided:
            consider(model, lake=lake, settings=settings, run=run)

    def decide(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        name = _facts(run)["run_id"]
        mine = next((each for each in rows if each["action"] == "started" and each["run_id"] == name), None)
        if mine is not None and run.dag_id != "local":
            return mine
        if why != "alarm":
            said = reason or ("By hand." if why == "manual" else "By its schedule.")
            about = {"as_of": as_of, "alarms": "", "model_version": None, "key": name}
            return {**_facts(run), **about, "action": "started", "why": why, "reason": said}
        wanted = _unclaimed([_row(each) for each in rows])
        if wanted is None:
            return None
        kept = next(each for each in rows if each["seq"] == wanted.seq)
        same = {name: kept[name] for name in ("why", "reason", "as_of", "alarms", "model_version", "key")}
        return {**_facts(run), **same, "action": "started"}

    found = journal(lake).append(model.name, decide, run=run)
    return _row(found[0]) if found else None


def key_of(state: AlarmState) -> str:
    """Return what a decision is about: a window's end, its version, its alarms."""
    return f"{iso(state.at)} {state.model_version or '-'} {_text(state.alarms) or '-'}"


def journal(lake: Lake) -> Journal:
    """Return ``ledger/retraining``."""
    import pyarrow as pa

    texts = ("action", "why", "reason", "alarms", "model_version", "key", "by", "run_id")
    return Journal(lake, TABLE, {"as_of": pa.timestamp("us", tz="UTC"), **dict.fromkeys(texts, pa.string())})


def _decide(
    model: Model, state: AlarmState, rows: Sequence[RetrainingRow], times: Mapping[str, datetime], lake: Lake
) -> tuple[tuple[str, ...], str]:
    """Return what to retrain for, nothing where not to, and the reason."""
    policy, window = model.retraining, Interval(state.at - timedelta(microseconds=1), state.at)
    why, beyond = reasons_of(model, state.alarms), f"Beyond bounds: {', '.join(state.alarms)}"
    asked = [row.as_of for row in rows if row.action != "no" and row.alarms]
    newest, serving = max([*times.values(), *asked], default=None), times.get(str(state.model_version))
    if not why and "new_labels" in policy.reasons:
        why, beyond = ("new_labels",), beyond if state.alarms else "Nothing is beyond its bounds"
    if not why:
        return (), judge(model, window, state.alarms, newest, serving)[1]
    if state.at in asked:
        return (), f"{beyond}; but it was retrained for as of {iso(state.at)} already."
    if waiting := _on_its_way(rows, list(times.values())):
        return (), f"{beyond}; but a training as of {iso(waiting.as_of)} is on its way since {iso(waiting.at)}."
    retrain, reason = judge(model, window, why if why == ("new_labels",) else state.alarms, newest, serving)
    reason = reason.replace("Beyond bounds: new_labels", beyond)
    if not retrain:
        return (), reason
    if newest is not None and (policy.min_new_labels or why == ("new_labels",)):
        labels, wanted = new_labels(model, newest, state.at, lake=lake), max(policy.min_new_labels, 1)
        if labels < wanted:
            known = f"{labels} labels are new since the training of {iso(newest)}"
            return (), f"{beyond}; but only {known}, fewer than {wanted}."
        reason = f"{reason.removesuffix('.')}; {labels} labels are new."
    return why, reason


def _on_its_way(rows: Sequence[RetrainingRow], versions: Sequence[datetime]) -> RetrainingRow | None:
    """Return a training that was wanted or started lately and has made no version yet."""
    since = datetime.now(UTC) - ON_ITS_WAY
    recent = [row for row in rows if row.action != "no" and row.at > since and row.as_of not in versions]
    return recent[-1] if recent else None


def _unclaimed(rows: Sequence[RetrainingRow]) -> RetrainingRow | None:
    """Return the newest decision to retrain, if no training was started for it; older ones are past."""
    wanted = next((row for row in reversed(rows) if row.action == "retrain"), None)
    started = {row.key for row in rows if row.action == "started"}
    return None if wanted is None or wanted.key in started else wanted


def _written_by_backfill(model: Model, state: AlarmState, lake: Lake) -> bool:
    """Say whether the last of the windows that the state is made of was written by a backfill."""
    table, cron = lake.table(model.monitoring_table), Schedule(model.monitoring.schedule)
    window, commits = cron.interval_at(state.at - timedelta(microseconds=1)), []
    for _ in range(state.windows):
        commits.append(table.commit_of(window))
        window = cron.interval_at(window.start - timedelta(microseconds=1))
    newest, last = commits[0], max((each for each in commits if each), key=lambda each: each.version, default=None)
    return any(each is not None and bool(each.provenance["extra"].get(BACKFILL)) for each in (newest, last))


def _times(model: Model, settings: Settings) -> dict[str, datetime]:
    """Return version to the time (UTC) that its training stands at."""
    from slipstream.promotion import Registry

    return {version: at for version, (at, _) in Registry.from_settings(settings).times(model.name).items()}


def _about(state: AlarmState) -> dict[str, Any]:
    alarms = {"alarms": _text(state.alarms), "model_version": state.model_version}
    return {"as_of": state.at, **alarms, "key": key_of(state)}


def _facts(run: Run) -> dict[str, str]:
    name = f"{run.dag_id}/{run.run_id}"
    return {"by": run.by or name, "run_id": name}


def _text(words: Sequence[str]) -> str:
    return ",".join(words)


def _row(values: dict[str, Any]) -> RetrainingRow:
    lists = {name: tuple(filter(None, values[name].split(","))) for name in ("why", "alarms")}
    return RetrainingRow(**{**values, **lists})
