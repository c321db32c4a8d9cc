"""A row a model: who is champion, who challenges, how far it is scored, and what is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from slipstream.intervals import Interval
from slipstream.overview.cache import SMALL
from slipstream.overview.decisions import Decision, decisions, reigns
from slipstream.overview.watched import newest_watched
from slipstream.promotion.registry import CHALLENGER

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake
    from slipstream.monitoring import AlarmState
    from slipstream.overview.challengers import Aliases

UNDECIDED = "not decided yet"


@dataclass(frozen=True)
class Challenger:
    """The version that the registry calls challenger, and what was decided about it last."""

    version: str
    state: str


@dataclass(frozen=True)
class OverviewRow:
    """What the overview says of one model.

    Attributes:
        since: When the champion became it, UTC, by the clock of the ledger.
        challenger: None where there is none, or the champion itself is it, or the registry was not asked.
        scored: The newest interval with predictions.
        due: When the first interval that is not scored was, or will be, due, UTC; None before there is a champion.
        late: Whether that time is over.
        alarms: The kinds of alarm that are open; None where nothing was monitored yet.
        watched_until: The end of the newest window that was monitored, UTC.
    """

    model: Model
    champion: str | None
    since: datetime | None
    challenger: Challenger | None
    scored: Interval | None
    due: datetime | None
    late: bool
    alarms: tuple[str, ...] | None
    watched_until: datetime | None


def overview(
    models: Iterable[Model], *, lake: Lake, aliases: Aliases | None = None, now: datetime | None = None
) -> list[OverviewRow]:
    """Return a row a model, in the given order; ``aliases`` is None where the registry does not answer."""
    ledger, moment = decisions(lake=lake), now or datetime.now(UTC)
    return [row_of(each, ledger.get(each.name, ()), lake=lake, aliases=aliases, now=moment) for each in models]


def row_of(
    model: Model, ledger: Sequence[Decision], *, lake: Lake, aliases: Aliases | None, now: datetime
) -> OverviewRow:
    """Return the row of one model, whose decisions are given."""
    held = reigns(ledger)
    reign = held[-1] if held else None
    champion = reign.version if reign else None
    scored, state = last_scored(model, lake=lake), open_alarms(model, lake=lake)
    due = next_due(model, scored) if champion and scored else None
    return OverviewRow(
        model=model,
        champion=champion,
        since=reign.since if reign else None,
        challenger=_challenger(model, ledger, champion, aliases),
        scored=scored,
        due=due,
        late=due is not None and due < now,
        alarms=state.alarms if state else None,
        watched_until=state.at if state else None,
    )


def last_scored(model: Model, *, lake: Lake) -> Interval | None:
    """Return the newest interval with predictions; None before there is one."""
    return SMALL.of(lake, model.table, "last", lambda table: table.latest())


def open_alarms(model: Model, *, lake: Lake) -> AlarmState | None:
    """Return the alarms that are open at the end of the newest window; None where nothing was monitored yet."""
    what = ("alarms", model.digest)  # the definition says how many windows make an alarm
    return SMALL.of(lake, model.monitoring_table, what, lambda _: _alarms(model, lake))


def _alarms(model: Model, lake: Lake) -> AlarmState | None:
    from slipstream.monitoring import alarm_state

    end = newest_watched(model, lake=lake)
    return None if end is None else alarm_state(model, lake=lake, at=end)


def next_due(model: Model, scored: Interval) -> datetime:
    """Return when the interval after ``scored`` is due, UTC: at its start or its end, as the definition says."""
    following = model.cron.interval_at(scored.end)
    return following.start if model.scoring.at == "start" else following.end


def _challenger(
    model: Model, ledger: Sequence[Decision], champion: str | None, aliases: Aliases | None
) -> Challenger | None:
    version = (aliases or {}).get(model.name, {}).get(CHALLENGER)
    if version is None or version == champion:
        return None
    about = [each for each in ledger if each.challenger == version]
    return Challenger(version, about[-1].action.replace("_", " ") if about else UNDECIDED)
