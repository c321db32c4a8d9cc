"""Stale intervals: made from what has changed since, told from the provenance in the lake's own commits.

What an interval was made from is known by the versions of the tables that it read. A version grows with every commit,
so only the intervals that were really read are looked at, and only by their digest: compaction, other days and the same
rows written again are no change. Predictions of a version that is no longer champion are not stale: they are what was
said then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from slipstream.definitions.tables import table_definition
from slipstream.freshness.backfills import spans, steps
from slipstream.freshness.history import History
from slipstream.freshness.reading import Watched, definition_digest, read_by, was_read, watched_models
from slipstream.intervals import Interval

if TYPE_CHECKING:
    from slipstream.definitions import Definitions
    from slipstream.lake import Commit, Lake

Kind = Literal["definition", "input", "unrecorded", "upstream"]


@dataclass(frozen=True)
class Reason:
    """Why an interval is stale.

    Attributes:
        kind: ``definition``: that changed. ``input``: intervals of ``table`` changed after they were read.
            ``unrecorded``: nobody recorded what was read of ``table``. ``upstream``: intervals of ``table`` are stale.
        read, now: Versions of ``table``.
    """

    kind: Kind
    table: str | None = None
    intervals: tuple[Interval, ...] = ()
    read: int | None = None
    now: int | None = None

    def as_dict(self) -> dict[str, Any]:
        stretches = [str(span) for span, _ in spans(self.intervals)]
        return {**self.__dict__, "intervals": len(self.intervals), "spans": stretches}


@dataclass(frozen=True)
class Stale:
    """One interval of a table that should be made again.

    Attributes:
        reasons: All of kind ``upstream`` where it is in order as yet, and stale once what it reads is mended.
    """

    table: str
    interval: Interval
    reasons: tuple[Reason, ...]

    @property
    def already(self) -> bool:
        return any(reason.kind != "upstream" for reason in self.reasons)

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "interval": str(self.interval),
            "state": "stale" if self.already else "will_be_stale",
            "reasons": [reason.as_dict() for reason in self.reasons],
        }


def find_stale(*, definitions: Definitions, lake: Lake) -> list[Stale]:
    """Return every stale interval of views, predictions and monitoring, and those that will be, in the order to mend.

    Each table's log is read once. Intervals that their definition does not have any more are left out.
    """
    found: list[Stale] = []
    order, watched = steps(definitions), watched_models(definitions, lake)
    histories = {table: History.of(lake, table) for table in order}
    for table, step in order.items():
        if step == 0:
            continue
        definition, digest = table_definition(definitions, table), definition_digest(definitions, table)
        for interval, commit in histories[table].live.items():
            if interval.start < definition.start or (definition.end and interval.start >= definition.end):
                continue
            changed = digest is not None and commit.provenance.get("definition") != digest
            first = [Reason("definition")] if changed else []
            reasons = (*first, *_reasons(table, interval, commit, definitions, histories, watched))
            if reasons:
                found.append(Stale(table, interval, reasons))
                histories[table].mark(interval)
    return found


def _reasons(
    table: str,
    interval: Interval,
    commit: Commit,
    definitions: Definitions,
    histories: Mapping[str, History],
    watched: Watched,
) -> list[Reason]:
    recorded: Mapping[str, int] = commit.provenance.get("inputs") or {}
    found: list[Reason] = []
    if not recorded and not table.startswith("features/"):
        found.append(Reason("unrecorded"))
    below = read_by(definitions, table) if table.startswith("features/") else recorded.keys() & histories.keys()
    if all(each in recorded and histories[each].untouched(interval.end, recorded[each]) for each in below):
        return found
    for needed in was_read(definitions, table, interval, recorded, watched):
        history, read = histories[needed.table], recorded.get(needed.table)
        if read is None:
            there = history.held(needed.intervals)
            if there:
                found.append(Reason("unrecorded", needed.table, tuple(there), None, history.version))
            continue
        changed, waiting = history.changed(needed.intervals, read), history.marked(needed.intervals)
        if changed:
            found.append(Reason("input", needed.table, tuple(changed), read, history.version))
        if waiting:
            found.append(Reason("upstream", needed.table, tuple(waiting), read, history.version))
    return found
