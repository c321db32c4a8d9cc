"""Which intervals of which tables a stage reads: exactly those, so that order and time of a run change nothing.

An interval of an input counts only if it had ended when the reading interval was due. So a yearly register is read in
its last finished issue, and running a day again next year still reads that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.definitions.tables import table_cron, table_definition
from slipstream.errors import IncompleteError
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow.dataset as ds

    from slipstream.definitions import Definitions, Input, Model, View
    from slipstream.lake import Lake


@dataclass(frozen=True)
class Needed:
    """The finished intervals of one table that a stage reads."""

    table: str
    intervals: tuple[Interval, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"table": self.table, "intervals": [str(interval) for interval in self.intervals]}


def finished(definitions: Definitions, table: str, start: datetime | None, due: datetime) -> Needed:
    """Return the intervals of ``table`` that overlap ``[start, due)`` and have ended by ``due`` (UTC).

    Without ``start``, from the first interval that its definition has.
    """
    definition = table_definition(definitions, table)
    begin = max(definition.start, start) if start else definition.start
    last = min(due, definition.end) if definition.end else due
    if begin >= last:
        return Needed(table, ())
    intervals = table_cron(definitions, table).intervals(begin, last)
    return Needed(table, tuple(i for i in intervals if i.end <= due and i.end > definition.start))


def view_inputs(view: View, interval: Interval, *, definitions: Definitions) -> list[Needed]:
    """Return what an interval of ``view`` is made from."""
    return merge(
        finished(definitions, given.table, interval.start - given.lookback, interval.end)
        for given in view.inputs.values()
    )


def model_inputs(
    model: Model, first: Interval, *, definitions: Definitions, last: Interval | None = None
) -> list[Needed]:
    """Return what the predictions of ``first``, or of all from ``first`` to ``last``, are made from.

    These are the population's tables as far as their lookback, and each view as far as its ttl.
    """
    due = due_time(model, last or first)
    needed = [
        finished(definitions, given.table, first.start - given.lookback, due)
        for given in model.population.inputs.values()
    ]
    for name in model.views:
        view = definitions.view(name)
        needed.append(finished(definitions, view.table, first.start - view.ttl if view.ttl else None, due))
    return merge(needed)


def label_inputs(
    model: Model, start: datetime, end: datetime, as_of: datetime, *, definitions: Definitions
) -> list[Needed]:
    """Return what the labels of predictions in ``[start, end)`` are made from, as far as finished at ``as_of``."""
    due = min(end + model.label.maturity, as_of)
    return merge(
        finished(definitions, given.table, start - given.lookback, due) for given in model.label.inputs.values()
    )


def due_time(model: Model, interval: Interval) -> datetime:
    """Return when the predictions of ``interval`` are made: at its start, or at its end."""
    return interval.start if model.scoring.at == "start" else interval.end


def missing_inputs(
    lake: Lake, needed: Iterable[Needed], *, versions: Mapping[str, int] | None = None
) -> list[tuple[str, Interval]]:
    """Return every needed interval that is not complete in the lake, at ``versions`` or now."""
    versions = versions or {}
    return [
        (each.table, interval)
        for each in needed
        for interval in lake.table(each.table).missing(each.intervals, version=versions.get(each.table))
    ]


def require(lake: Lake, needed: Iterable[Needed], *, who: str, versions: Mapping[str, int] | None = None) -> None:
    """Raise IncompleteError, naming what is missing and how to make it, unless every needed interval is complete."""
    missing = missing_inputs(lake, needed, versions=versions)
    if not missing:
        return
    by_table: dict[str, list[Interval]] = {}
    for table, interval in missing:
        by_table.setdefault(table, []).append(interval)
    lines = []
    for table, intervals in by_table.items():
        stage, _, name = table.partition("/")
        dag = f"{name}.{'ingestion' if stage == 'raw' else stage}"
        lines.append(
            f"  {table}: {len(intervals)} interval(s) from {iso(intervals[0].start)} to {iso(intervals[-1].end)}; run "
            f"`airflow backfill create --dag-id {dag} --from-date {intervals[0].start:%Y-%m-%d} "
            f"--to-date {intervals[-1].start:%Y-%m-%d}`"
        )
    message = f"{who} wants intervals that are not in the lake yet:\n" + "\n".join(lines)
    raise IncompleteError(message)


def pin(lake: Lake, needed: Iterable[Needed]) -> dict[str, int]:
    """Return the newest version of every needed table that exists, to read from and to record."""
    versions = {each.table: lake.table(each.table).version() for each in needed}
    return {table: version for table, version in versions.items() if version is not None}


def open_inputs(
    inputs: Mapping[str, Input],
    *,
    definitions: Definitions,
    lake: Lake,
    start: datetime,
    due: datetime,
    versions: Mapping[str, int],
    known_by: datetime | None = None,
) -> dict[str, ds.Dataset]:
    """Open each alias as the rows of its finished intervals with ``known_at`` in ``[start - lookback, known_by]``.

    Nothing is loaded here. A table of which nothing is needed yet is an empty one of the right columns.
    """
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    known_by = known_by or due
    opened: dict[str, ds.Dataset] = {}
    for alias, given in inputs.items():
        needed = finished(definitions, given.table, start - given.lookback, due)
        table, version = lake.table(given.table), versions.get(given.table)
        if version is None:
            opened[alias] = ds.dataset(empty_table(definitions, given.table))
            continue
        first, last = _bounds(needed, start)
        rows = table.dataset(first, last, version=version)
        times = (pc.field("known_at") >= _arrow(start - given.lookback)) & (pc.field("known_at") <= _arrow(known_by))
        opened[alias] = rows.filter(times)
    return opened


def empty_table(definitions: Definitions, table: str) -> Any:
    """Return no rows with the columns that ``table`` will have; a view's keys are taken to be strings."""
    import pyarrow as pa

    definition = table_definition(definitions, table)
    if table.startswith("features/"):
        keys = pa.schema([pa.field(name, pa.string()) for name in definition.entity])  # type: ignore[union-attr]
        schema = definition.table_schema(keys)  # type: ignore[union-attr]
    else:
        schema = definition.table_schema  # type: ignore[union-attr]
    return schema.append(pa.field("interval_start", pa.timestamp("us", tz="UTC"))).empty_table()


def _bounds(needed: Needed, fallback: datetime) -> tuple[datetime, datetime]:
    if not needed.intervals:
        return fallback, fallback
    return needed.intervals[0].start, needed.intervals[-1].end


def _arrow(moment: datetime) -> Any:
    import pyarrow as pa

    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))


def merge(needed: Iterable[Needed]) -> list[Needed]:
    """Return one entry a table, with its intervals in order."""
    by_table: dict[str, set[Interval]] = {}
    for each in needed:
        by_table.setdefault(each.table, set()).update(each.intervals)
    return [Needed(table, tuple(sorted(intervals))) for table, intervals in sorted(by_table.items())]
