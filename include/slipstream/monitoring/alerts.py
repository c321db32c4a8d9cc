"""What people are told of a model's alarms: one message a change, however often and by whomever it is noticed.

``ledger/alerts`` keeps what was told. A message is claimed there before it is sent, so that two tasks that notice the
same change send one; one that could not be sent is sent by the next that looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from slipstream.intervals import iso
from slipstream.lake import Journal
from slipstream.monitoring.alarms import Alarm, last_alarm, window_of

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings

TABLE = "ledger/alerts"
CLAIMED, SENT, FAILED = "claimed", "sent", "failed"
PATIENCE = timedelta(minutes=15)  # a message that was claimed so long ago and not sent was lost with its sender

State = dict[str, Any]


@dataclass(frozen=True)
class Alert:
    """One message.

    Attributes:
        change: ``opened``, ``changed``, ``closed``, ``retrain started``, ``retrain refused``, ``challenger promoted``,
            ``challenger rejected`` or ``challenger undecided``.
        title: What happened, in a line.
        text: What changed, how much, where the report is, and what comes next.
    """

    model: str
    change: str
    title: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def announce(
    model: Model,
    *,
    lake: Lake,
    settings: Settings,
    run: Run,
    send: Callable[[Alert], None],
    link: Callable[[str], str] = str,
) -> Alert | None:
    """Send what has changed since the last message, if anything has, and return it.

    Args:
        model: Whose alarms.
        lake: Where the ledgers are.
        settings: Where the reports are.
        run: Who tells; the same run again may send what its first try did not.
        send: Sends; what it raises is raised again, and the message is due still.
        link: Makes an address of a report's path.
    """
    alarm = last_alarm(model, lake=lake)
    if alarm is None:
        return None
    now, name = _state(alarm), f"{run.dag_id}/{run.run_id}"
    kept = Journal(lake, TABLE, _columns())

    def decide(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        before = next((json.loads(row["state"]) for row in reversed(rows) if row["status"] == SENT), None)
        change = _change(before, now)
        if change is None or (rows and _being_sent(rows[-1], now, name)):
            return None
        alert = _alert(alarm, change, _report(model, alarm, settings, link))
        return {**alert.as_dict(), "state": _spelt(now), "status": CLAIMED, "run_id": name}

    claimed = kept.append(model.name, decide, run=run)
    if claimed is None:
        return None
    alert = Alert(**{field: claimed[0][field] for field in Alert.__dataclass_fields__})
    told = {field: claimed[0][field] for field in _columns()}
    try:
        send(alert)
    except Exception:
        kept.append(model.name, lambda rows: {**told, "status": FAILED}, run=run)
        raise
    kept.append(model.name, lambda rows: {**told, "status": SENT}, run=run)
    return alert


def _columns() -> dict[str, Any]:
    import pyarrow as pa

    return dict.fromkeys(("change", "title", "text", "state", "status", "run_id"), pa.string())


def _spelt(state: State) -> str:
    return json.dumps(state, sort_keys=True)


def _state(alarm: Alarm) -> State:
    """Return what a message is about; while it stays the same, nobody is told again."""
    if not alarm.open:
        return {"alarms": [], "phase": "closed", "as_of": None}
    phase = "refused" if alarm.decided == "no" else "open"
    if alarm.retrained_at is not None:
        phase = alarm.outcome or "training"
    as_of = iso(alarm.retrained_at) if alarm.retrained_at else None
    return {"alarms": list(alarm.alarms), "phase": phase, "as_of": as_of, "version": alarm.model_version}


def _change(before: State | None, now: State) -> str | None:
    was = before or {"alarms": [], "phase": "closed", "as_of": None}
    if now["phase"] == "closed":
        return "closed" if was["phase"] != "closed" else None
    if was["phase"] == "closed" or was.get("version") != now["version"]:
        return "opened"
    if was["alarms"] != now["alarms"]:
        return "changed"
    if (was["phase"], was["as_of"]) == (now["phase"], now["as_of"]) or now["phase"] == "open":
        return None
    return {"training": "retrain started", "refused": "retrain refused"}.get(now["phase"], f"challenger {now['phase']}")


def _being_sent(last: dict[str, Any], now: State, run_id: str) -> bool:
    """Say whether another run is sending this message at the moment."""
    if last["status"] != CLAIMED or last["state"] != _spelt(now) or last["run_id"] == run_id:
        return False
    return bool(last["at"] > datetime.now(UTC) - PATIENCE)


def _alert(alarm: Alarm, change: str, report: str) -> Alert:
    named, about = ", ".join(alarm.alarms), f"version {alarm.model_version} of {alarm.model}"
    titles = {
        "opened": f"alarm opened: {named}",
        "changed": f"alarm changed: {named}",
        "closed": f"alarm closed: {named}",
    }
    title = f"{alarm.model}: {titles.get(change, f'{change} ({named})')}"
    if change == "closed":
        lines = [f"The alarm on {about} was open from {iso(alarm.since)} to {iso(alarm.at)}; it is not any more."]
    else:
        lines = [f"Open on {about} since {iso(alarm.since)}; last window until {iso(alarm.at)}."]
        lines += [f"- {kind}: {note or 'beyond its bounds'}" for kind, note in alarm.notes.items()]
    if alarm.retrained_at is not None:
        lines.append(f"So far: {alarm.came_of_it}.")
    if report:
        lines.append(f"Report: {report}")
    return Alert(alarm.model, change, title, "\n".join([*lines, f"Next: {_next(alarm)}"]))


def _next(alarm: Alarm) -> str:
    if not alarm.open:
        return "nothing."
    if alarm.outcome == "promoted":
        return "the new champion scores; the alarm closes with its first windows."
    if alarm.outcome is not None:
        return (
            f"the champion stays and the alarm stays open. {alarm.came_of_it.capitalize()}; "
            "another training may start once the cooldown is over. Look at the report and at the verdict."
        )
    if alarm.retrained_at is not None:
        return "the challenger of this training goes through the gate."
    if alarm.decided == "retrain":
        return f"a training starts. {alarm.reason}"
    return f"no training. {alarm.reason}"


def _report(model: Model, alarm: Alarm, settings: Settings, link: Callable[[str], str]) -> str:
    """Return the address of the page on the last window, empty where none was kept."""
    from slipstream.monitoring.reports import kept_report

    names = ("performance", "drift") if alarm.alarms == ("performance",) else ("drift", "performance")
    window = window_of(model, alarm.at)
    found = (kept_report(model, window, name, settings=settings) for name in names)
    path = next((each for each in found if each), None)
    return link(path) if path else ""
