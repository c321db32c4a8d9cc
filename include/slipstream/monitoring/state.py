"""The alarms that are open at a time: what several windows' verdicts come to.

A window's rows say nothing of its neighbours, so that windows may be written in any order; what their verdicts come to
together is derived here, whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Interval, Schedule, iso, utc
from slipstream.monitoring.verdicts import KINDS

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.definitions.model import Persistence
    from slipstream.lake import Lake

_INSTANT = timedelta(microseconds=1)
Verdicts = Mapping[str, bool | None]
"""Of one window: kind to whether it is beyond its bounds; None where it was not judged."""


@dataclass(frozen=True)
class AlarmState:
    """Which alarms are open at the end of a window.

    Attributes:
        at: The window's end, UTC.
        model_version: The version that it is about.
        alarms: The kinds that were beyond their bounds in enough of the last windows.
        beyond: In how many of them, by kind.
        judged: How many of them were judged at all, by kind; windows that are not there yet, or are about another
            version, are not.
        windows: How many windows were looked at: ``monitoring.persistence.windows``.
    """

    model: str
    at: datetime
    model_version: str | None
    alarms: tuple[str, ...]
    beyond: Mapping[str, int]
    judged: Mapping[str, int]
    windows: int

    def as_dict(self) -> dict[str, Any]:
        counts = {"beyond": dict(self.beyond), "judged": dict(self.judged)}
        return {**self.__dict__, **counts, "at": iso(self.at), "alarms": list(self.alarms)}


@dataclass(frozen=True)
class _Judged:
    version: str | None
    verdicts: Verdicts


def persists(beyond: Sequence[bool | None], persistence: Persistence) -> bool:
    """Say whether the last windows, the newest one last, are an alarm."""
    return sum(each is True for each in beyond[-persistence.windows :]) >= persistence.alarms


def alarm_state(model: Model, *, lake: Lake, at: datetime | None = None) -> AlarmState | None:
    """Return the state at the end of the window that ends at ``at`` (UTC), or of the newest one; None if it is absent.

    Reads the rows of ``persistence.windows`` intervals, and no others.
    """
    table = lake.table(model.monitoring_table)
    if not table.exists():
        return None
    if at is None:
        newest = max(table.intervals(), key=lambda each: each.end, default=None)
        if newest is None:
            return None
        at = newest.end
    last = _ending_at(model, utc(at))
    found = _states(model, lake, last, last) if last is not None else []
    return found[-1] if found else None


def alarm_states(
    model: Model, *, lake: Lake, start: datetime | None = None, end: datetime | None = None
) -> list[AlarmState]:
    """Return the state at the end of each window that is there and whose interval starts in ``[start, end)``."""
    table = lake.table(model.monitoring_table)
    there = sorted(table.intervals()) if table.exists() else []
    wanted = [each for each in there if start is None or each.start >= utc(start)]
    wanted = [each for each in wanted if end is None or each.start < utc(end)]
    return _states(model, lake, wanted[0], wanted[-1]) if wanted else []


def _ending_at(model: Model, at: datetime) -> Interval | None:
    cron = Schedule(model.monitoring.schedule)
    found = cron.interval_at(cron.floor(at) - _INSTANT)
    return found if found.end == at else None


def _states(model: Model, lake: Lake, first: Interval, last: Interval) -> list[AlarmState]:
    """Return the states of the windows that are there, from that of ``first`` to that of ``last``."""
    persistence = model.monitoring.persistence
    cron, begin = Schedule(model.monitoring.schedule), first
    for _ in range(persistence.windows - 1):
        begin = cron.interval_at(begin.start - _INSTANT)
    judged = _read(model, lake, begin.start, last.end)
    windows = list(cron.intervals(begin.start, last.end))
    found = []
    for index, window in enumerate(windows):
        if window.start >= first.start and window.start in judged:
            recent = [judged.get(each.start) for each in windows[max(0, index + 1 - persistence.windows) : index + 1]]
            found.append(_state(model, window.end, judged[window.start], recent))
    return found


def _state(model: Model, at: datetime, newest: _Judged, recent: Sequence[_Judged | None]) -> AlarmState:
    persistence = model.monitoring.persistence
    same = [each.verdicts if each is not None and each.version == newest.version else {} for each in recent]
    beyond = {kind: [each.get(kind) for each in same] for kind in KINDS}
    return AlarmState(
        model=model.name,
        at=at,
        model_version=newest.version,
        alarms=tuple(kind for kind in KINDS if persists(beyond[kind], persistence)),
        beyond={kind: sum(each is True for each in beyond[kind]) for kind in KINDS},
        judged={kind: sum(each is not None for each in beyond[kind]) for kind in KINDS},
        windows=persistence.windows,
    )


def _read(model: Model, lake: Lake, start: datetime, end: datetime) -> dict[datetime, _Judged]:
    import pyarrow.compute as pc

    columns = ["event_time", "model_version", "metric", "value", "alarm"]
    rows = lake.table(model.monitoring_table).read(start, end, columns=columns, where=pc.field("kind") == "verdict")
    found: dict[datetime, _Judged] = {}
    for row in rows.to_pylist():
        each = found.setdefault(utc(row["event_time"]), _Judged(row["model_version"], {}))
        verdict = None if row["value"] is None else bool(row["alarm"])
        found[utc(row["event_time"])] = _Judged(each.version, {**each.verdicts, row["metric"]: verdict})
    return found
