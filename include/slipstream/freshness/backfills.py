"""From intervals to the fewest ``airflow backfill create`` lines, in the order in which they have to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from slipstream.definitions.tables import table_cron
from slipstream.features.inputs import backfill_command
from slipstream.intervals import Interval

if TYPE_CHECKING:
    from slipstream.definitions import Definitions


@dataclass(frozen=True)
class Backfill:
    """One line for a shell.

    Attributes:
        step: Lines of one step may run side by side; those of the next one read what they write.
        span: From the start of the first interval to the end of the last, UTC.
    """

    step: int
    table: str
    span: Interval
    intervals: int
    command: str

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "span": str(self.span)}


def steps(definitions: Definitions) -> dict[str, int]:
    """Return every table that a definition writes with its step: sources are 0, and each is after all that it reads."""
    found = {source.table: 0 for source in definitions.sources.values()}

    def step_of(table: str, waiting: tuple[str, ...] = ()) -> int:
        if table not in found:
            view = definitions.view(table.removeprefix("features/"))
            below = [each.table for each in view.inputs.values() if each.table not in waiting]
            found[table] = 1 + max((step_of(each, (*waiting, table)) for each in below), default=0)
        return found[table]

    for view in definitions.views.values():
        step_of(view.table)
    last = max(found.values(), default=0)
    found |= {model.table: last + 1 for model in definitions.models.values()}
    found |= {model.monitoring_table: last + 2 for model in definitions.models.values()}
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def spans(intervals: Iterable[Interval]) -> list[tuple[Interval, int]]:
    """Return the stretches without a hole that intervals fill, with how many of them each has."""
    found: list[tuple[Interval, int]] = []
    for each in sorted(intervals):
        if found and found[-1][0].end >= each.start:
            last, number = found[-1]
            found[-1] = (Interval(last.start, max(last.end, each.end)), number + 1)
        else:
            found.append((each, 1))
    return found


def plan_backfills(found: Iterable[tuple[str, Interval]], *, definitions: Definitions) -> list[Backfill]:
    """Return the lines that make these intervals of these tables anew, in order.

    A line never bridges an interval that need not be made: to score one again would let today's champion answer.
    """
    by_table: dict[str, list[Interval]] = {}
    for table, interval in found:
        by_table.setdefault(table, []).append(interval)
    planned = []
    for table, step in steps(definitions).items():
        cron = table_cron(definitions, table)
        for span, number in spans(by_table.get(table, ())):
            last = max(span.start, cron.floor(span.end - timedelta(microseconds=1)))
            command = backfill_command(table, span.start, last, reprocess="completed")
            planned.append(Backfill(step, table, span, number, command))
    return planned
