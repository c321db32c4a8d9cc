"""One policy over the time that is replayed: scored, watched, retrained and judged as the DAGs would have done it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.backtest.judging import verdict
from slipstream.backtest.versions import Version, trained
from slipstream.backtest.watching import Service, watch, watches
from slipstream.intervals import Interval, Schedule

if TYPE_CHECKING:
    from slipstream.backtest.rows import Rows
    from slipstream.backtest.store import Store
    from slipstream.definitions import Model


@dataclass(frozen=True)
class Retrained:
    """One training and what became of it."""

    at: datetime
    why: str
    version: str
    champion: str  # that it was compared with
    outcome: str  # of the gate: accepted, rejected, undecided; "not asked" where it is off
    reason: str
    promoted: bool
    seconds: float  # of processor time

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Course:
    """What one policy came to: who served when, every training, every alarm."""

    service: Service
    trainings: list[Retrained] = field(default_factory=list)
    alarms: list[tuple[datetime, str]] = field(default_factory=list)


def run_policy(
    model: Model,
    span: Interval,
    rows: Rows,
    store: Store,
    *,
    gate: bool,
    advance: Callable[[datetime], None] = lambda _: None,
) -> Course:
    """Replay ``span`` (UTC) with the trainings that ``model`` asks for.

    A version is trained on what was known when its training began, is judged at once, and serves from the first
    scoring run after that: the run of the same moment has the old champion still. The first version is trained at
    the start of the span and serves from there without a judge.
    """
    first = trained(model, span.start, rows, store)
    course = Course(Service([(span.start, first)], np.full(rows.population.num_rows, np.nan)))
    champion, newest = first, span.start
    monitoring, calendar = _monitored(model, span), set(_calendar(model, span))
    for moment, upcoming in _moments(model, span, monitoring, calendar):
        if upcoming is not None:
            _score(course.service, champion, upcoming, rows)
        why = "schedule" if moment in calendar else ""
        if interval := monitoring.get(moment):
            found = watch(model, interval, course.service, newest, rows, store)
            course.alarms += [(moment, alarm) for alarm in found["alarms"]]
            why = ", ".join(filter(None, [why, ", ".join(found["alarms"]) if found["retrain"] else ""]))
        if why:
            challenger, newest = trained(model, moment, rows, store), moment
            done = _judged(model, challenger, champion, moment, why, rows, store, gate=gate)
            course.trainings.append(done)
            champion = challenger if done.promoted else champion
        advance(moment)
    return course


def _moments(
    model: Model, span: Interval, monitoring: dict[datetime, Interval], calendar: set[datetime]
) -> Iterator[tuple[datetime, Interval | None]]:
    """Yield, in order, each time at which something happens, with the scoring interval that is due then."""
    from slipstream.features.inputs import due_time
    from slipstream.features.population import scoring_intervals

    due = {due_time(model, each): each for each in scoring_intervals(model, span.start, span.end)}
    for moment in sorted({*due, *monitoring, *calendar}):
        yield moment, due.get(moment)


def _monitored(model: Model, span: Interval) -> dict[datetime, Interval]:
    if not watches(model):
        return {}
    intervals = Schedule(model.monitoring.schedule).intervals(span.start, span.end)
    return {each.end: each for each in intervals if each.start >= span.start and each.end < span.end}


def _calendar(model: Model, span: Interval) -> Iterator[datetime]:
    if model.training.schedule:
        ticks = Schedule(model.training.schedule)
        moment = ticks.next(span.start)
        while moment < span.end:
            yield moment
            moment = ticks.next(moment)


def _score(service: Service, champion: Version, interval: Interval, rows: Rows) -> None:
    found, first = rows.predicted(interval.start, interval.end)
    numbers = np.arange(first, first + found.num_rows)
    service.scores[numbers] = champion.score(numbers)
    if service.turns[-1][1].key != champion.key:
        service.turns.append((interval.start, champion))


def _judged(
    model: Model,
    challenger: Version,
    champion: Version,
    moment: datetime,
    why: str,
    rows: Rows,
    store: Store,
    *,
    gate: bool,
) -> Retrained:
    outcome, reason = "not asked", "The gate is off."
    if gate:
        found = verdict(model, challenger, champion, moment, rows, store)
        outcome, reason = found["outcome"], found["reason"]
    return Retrained(
        at=moment,
        why=why,
        version=challenger.version,
        champion=champion.version,
        outcome=outcome,
        reason=reason,
        promoted=outcome in ("accepted", "not asked"),
        seconds=challenger.seconds,
    )
