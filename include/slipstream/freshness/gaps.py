"""Gaps: intervals that should be complete by now and are not, and whether anybody can fill them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from slipstream.definitions.tables import table_cron, table_definition
from slipstream.features import Needed
from slipstream.features.inputs import due_time
from slipstream.freshness.backfills import steps
from slipstream.freshness.history import History
from slipstream.freshness.reading import Watched, read_by, waits_for, watched_models
from slipstream.intervals import Interval

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model, Source
    from slipstream.lake import Lake
    from slipstream.settings import Settings

Cause = Literal["not_run", "not_arrived", "inputs_missing"]
LOOKS_AT_ONCE = 16
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Gap:
    """One interval that is not there.

    Attributes:
        cause: ``not_run``: all that it wants is there, so nobody ran it. ``not_arrived``: its batch is not there.
            ``inputs_missing``: what it reads is not complete.
        missing: What of its inputs is missing.
        fillable: Whether backfills fill it: nobody ran it, or nobody ran what it waits for.
    """

    table: str
    interval: Interval
    cause: Cause
    fillable: bool
    missing: tuple[Needed, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "interval": str(self.interval),
            "cause": self.cause,
            "fillable": self.fillable,
            "missing": [each.as_dict() for each in self.missing],
        }


def find_gaps(
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    now: datetime,
    until: datetime | None = None,
    since: datetime | None = None,
) -> list[Gap]:
    """Return every interval that should be complete and is not, sources first.

    A source's interval is due ``arrival.expected_after`` its end. Predictions are due from the first champion's time
    on, for what is predicted of an earlier time was predicted afterwards; monitoring watches only those.

    Args:
        now: What is due by now (UTC) is looked at: in a source all of it. In what is made of others only as far as
            any of these is complete, because what comes after waits for them. So a replayed past is no gap up to today.
        until: Look at everything that is due by this time (UTC) instead.
        since: Only at intervals that start at or after this time (UTC).
    """
    order, watched = steps(definitions), watched_models(definitions, lake)
    histories = {table: History.of(lake, table) for table in order}
    found: list[Gap] = []
    fillable: dict[str, set[Interval]] = {}
    reached: dict[str, datetime] = {}  # as far as a table, or what it is made from, is there or could be
    for table in order:
        there = max((reached[each] for each in read_by(definitions, table)), default=now)
        open_ones = [
            interval
            for interval in _due(definitions, table, until or min(now, there), lake=lake, histories=histories)
            if not histories[table].complete(interval) and (since is None or interval.start >= since)
        ]
        if table.startswith("raw/"):
            gaps = _of_source(definitions.source(table.removeprefix("raw/")), open_ones, settings=settings)
        else:
            gaps = list(_made_of_others(definitions, table, open_ones, histories, fillable, watched))
        found += gaps
        fillable[table] = {gap.interval for gap in gaps if gap.fillable}
        ends = (each.end for each in (*histories[table].live, *fillable[table]))
        reached[table] = max([*ends, NEVER if table.startswith("raw/") else there])
    return found


def _due(
    definitions: Definitions, table: str, until: datetime, *, lake: Lake, histories: Mapping[str, History]
) -> Iterator[Interval]:
    """Yield the intervals of ``table`` that are due by ``until``."""
    kind, _, name = table.partition("/")
    definition = table_definition(definitions, table)
    begin = definition.start
    if kind in ("predictions", "monitoring"):
        first = _first_predicted(definitions.model(name), lake, histories)
        if first is None:
            return
        begin = max(begin, first)
    later = until + timedelta(microseconds=1)  # what is due at its start may start at that very time
    end = min(later, definition.end or later)
    if begin >= end:
        return
    for interval in table_cron(definitions, table).intervals(begin, end):
        due = interval.end
        if kind == "raw":
            due += definitions.source(name).arrival.expected_after
        elif kind == "predictions":
            due = due_time(definitions.model(name), interval)
        if interval.start >= begin and due <= until:
            yield interval


def _first_predicted(model: Model, lake: Lake, histories: Mapping[str, History]) -> datetime | None:
    """Return the time from which on predictions are due: that of the first champion, or of what was scored before."""
    from slipstream.promotion import ledger

    times = [row.as_of for row in ledger(model, lake=lake) if row.action == "promoted" and row.as_of]
    scored = [interval.start for interval in histories[model.table].live]
    return min([*times[:1], *scored[:1]], default=None)


def _of_source(source: Source, intervals: list[Interval], *, settings: Settings) -> list[Gap]:
    from slipstream.ingestion import look_for_batch

    def look(interval: Interval) -> Gap:
        there = look_for_batch(source, interval, settings=settings).ready
        return Gap(source.table, interval, "not_run" if there else "not_arrived", there)

    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        return list(pool.map(look, intervals))


def _made_of_others(
    definitions: Definitions,
    table: str,
    intervals: list[Interval],
    histories: Mapping[str, History],
    fillable: Mapping[str, set[Interval]],
    watched: Watched,
) -> Iterator[Gap]:
    for interval in intervals:
        needed = waits_for(definitions, table, interval, watched)
        missing = tuple(
            Needed(each.table, lacking)
            for each in needed
            if (lacking := tuple(i for i in each.intervals if not histories[each.table].complete(i)))
        )
        can_be = all(fillable[each.table].issuperset(each.intervals) for each in missing)
        yield Gap(table, interval, "inputs_missing" if missing else "not_run", can_be, missing)
