"""Which intervals of which tables a stage reads: exactly those, so that order and time of a run change nothing.

An interval of an input counts only if it had ended when the reading interval was due. So a yearly register is read in
its last finished issue, and running a day again next year still reads that one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from slipstream.definitions.tables import table_cron, table_definition
from slipstream.errors import IncompleteError
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from slipstream.definitions import Definitions, Input, Model, View
    from slipstream.lake import Lake
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Needed:
    """The finished intervals of one table that a stage reads."""

    table: str
    intervals: tuple[Interval, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"table": self.table, "intervals": [str(interval) for interval in self.intervals]}


def finished(
    definitions: Definitions, table: str, start: datetime | None, due: datetime, *, until: datetime | None = None
) -> Needed:
    """Return the intervals of ``table`` that overlap ``[start, until)`` and have ended by ``due`` (UTC).

    Without ``start``, from the first interval that its definition has; without ``until``, as far as ``due``.
    """
    definition = table_definition(definitions, table)
    begin = max(definition.start, start) if start else definition.start
    last = min(until or due, due, definition.end or due)
    if begin >= last:
        return Needed(table, ())
    intervals = table_cron(definitions, table).intervals(begin, last)
    # The schedule has no interval that begins before the definition's start, should that lie between two ticks.
    return Needed(table, tuple(i for i in intervals if i.end <= due and i.start >= definition.start))


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


def using_views(model: Model, tables: Collection[str], definitions: Definitions) -> Model:
    """Return ``model`` as using a feature of each view among ``tables``: what its version was trained on.

    A version reads the features that it was trained on, which need not be those of today's model.yaml.
    """
    names = [table.removeprefix("features/") for table in tables if table.startswith("features/")]
    # A view whose folder is gone is left out: nobody can make it anew.
    views = [definitions.views[name] for name in names if name in definitions.views]
    return model.model_copy(update={"features": tuple(f"{view.name}:{next(iter(view.features))}" for view in views)})


def label_inputs(
    model: Model, start: datetime, end: datetime, as_of: datetime, *, definitions: Definitions
) -> list[Needed]:
    """Return what the labels of predictions in ``[start, end)`` are made from, as far as finished at ``as_of``."""
    until = end + model.label.maturity
    return merge(
        finished(definitions, given.table, start - given.lookback, as_of, until=until)
        for given in model.label.inputs.values()
    )


def matured_before(model: Model, as_of: datetime, *, definitions: Definitions) -> datetime:
    """Return the first prediction_time (UTC) whose label is not settled at ``as_of``; one exactly as old as that is.

    Labels arrive in batches: between two of them, ``as_of`` counts as the end of the last. Otherwise the last rows
    would have only those labels that were quick to come, which are not like the others.
    """
    ends = [table_cron(definitions, given.table).floor(as_of) for given in model.label.inputs.values()]
    return max(ends) - model.label.maturity + timedelta(microseconds=1)


def due_time(model: Model, interval: Interval) -> datetime:
    """Return when the predictions of ``interval`` are made: at its start, or at its end."""
    return interval.start if model.scoring.at == "start" else interval.end


def missing_inputs(
    lake: Lake, needed: Iterable[Needed], *, versions: Mapping[str, int] | None = None
) -> list[tuple[str, Interval]]:
    """Return every needed interval that is not complete in the lake: now, or at ``versions``, which name all tables."""
    missing: list[tuple[str, Interval]] = []
    for each in needed:
        if versions is None or each.table in versions:
            version = versions[each.table] if versions is not None else None
            found = lake.table(each.table).missing(each.intervals, version=version) if each.intervals else []
        else:
            found = list(each.intervals)
        missing += [(each.table, interval) for interval in found]
    return missing


def require(lake: Lake, needed: Iterable[Needed], *, who: str, versions: Mapping[str, int] | None = None) -> None:
    """Raise IncompleteError, naming what is missing and how to make it, unless every needed interval is complete."""
    missing = missing_inputs(lake, needed, versions=versions)
    if not missing:
        return
    by_table: dict[str, list[Interval]] = {}
    for table, interval in missing:
        by_table.setdefault(table, []).append(interval)
    lines = [
        f"  {table}: {len(intervals)} interval(s) from {iso(intervals[0].start)} to {iso(intervals[-1].end)}; run\n"
        f"    {backfill_command(table, intervals[0].start, intervals[-1].start)}"
        for table, intervals in by_table.items()
    ]
    message = f"{who} wants intervals that are not in the lake yet:\n" + "\n".join(lines)
    raise IncompleteError(message)


def backfill_command(table: str, first: datetime, last: datetime, *, reprocess: str = "failed") -> str:
    """Return the line for a shell that has Airflow make intervals of ``table``; both times (UTC) are their starts."""
    kind, _, name = table.partition("/")
    stage = {"raw": "ingestion", "quarantine": "ingestion", "predictions": "scoring"}.get(kind, kind)
    start, end = (iso(each).removesuffix("T00:00:00Z") for each in (first, last))
    return (
        f"airflow backfill create --dag-id {name}.{stage} --from-date {start} --to-date {end} "
        f"--reprocess-behavior {reprocess}"
    )


def pin(lake: Lake, needed: Iterable[Needed]) -> dict[str, int]:
    """Return the newest version of every table that exists and is to be read, to read from and to record."""
    versions = {each.table: lake.table(each.table).version() for each in needed if each.intervals}
    return {table: version for table, version in versions.items() if version is not None}


def contents(lake: Lake, needed: Iterable[Needed], versions: Mapping[str, int]) -> str:
    """Return the digest of what the needed intervals held at ``versions``: the same one while none of them changes."""
    found = {
        each.table: {
            str(part): digest
            for part, digest in lake.table(each.table).contents(each.intervals, version=versions[each.table]).items()
        }
        for each in needed
        if each.intervals and each.table in versions
    }
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def open_inputs(
    inputs: Mapping[str, Input],
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    start: datetime,
    due: datetime,
    versions: Mapping[str, int],
    until: datetime | None = None,
) -> dict[str, ds.Dataset]:
    """Open each alias as the rows of its finished intervals with ``known_at`` in ``[start - lookback, due]``.

    Nothing is loaded here. Rows come interval by interval, in the same order whatever the table's layout. A table of
    which nothing is needed yet is an empty one of the right columns.
    """
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    opened: dict[str, ds.Dataset] = {}
    for alias, given in inputs.items():
        since = start - given.lookback
        read = finished(definitions, given.table, since, due, until=until).intervals
        version = versions.get(given.table)
        if version is None or not read:
            opened[alias] = ds.dataset(empty_table(definitions, given.table, settings=settings))
            continue
        rows = in_order(lake.table(given.table).dataset(read[0].start, read[-1].end, version=version))
        opened[alias] = rows.filter((pc.field("known_at") >= _arrow(since)) & (pc.field("known_at") <= _arrow(due)))
    return opened


def in_order(rows: ds.FileSystemDataset) -> ds.FileSystemDataset:
    """Return ``rows`` with its files by interval: a float's sum depends on the order of its terms in the last bits."""
    import pyarrow.dataset as ds

    def place(fragment: Any) -> tuple[datetime, str]:
        return ds.get_partition_keys(fragment.partition_expression)["interval_start"], fragment.path

    fragments = sorted(rows.get_fragments(), key=place)
    return ds.FileSystemDataset(fragments, rows.schema, rows.format, rows.filesystem)


def empty_table(definitions: Definitions, table: str, *, settings: Settings) -> pa.Table:
    """Return no rows with the columns that ``table`` will have."""
    import pyarrow as pa

    from slipstream.features.rows import narrow, require_columns

    if not table.startswith("features/"):
        schema: pa.Schema = table_definition(definitions, table).table_schema  # type: ignore[union-attr]
    else:
        from slipstream.engine import describe

        view = definitions.view(table.removeprefix("features/"))
        given = {
            alias: empty_table(definitions, read.table, settings=settings).schema for alias, read in view.inputs.items()
        }
        bounds = {"interval_start": view.start, "interval_end": view.cron.next(view.start)}
        found = describe(view.query, schemas=given, params=bounds, settings=settings)
        require_columns(found, view.entity, where=f"View {view.name!r}")
        schema = view.table_schema(narrow(found))
    empty: pa.Table = schema.append(pa.field("interval_start", pa.timestamp("us", tz="UTC"))).empty_table()
    return empty


def _arrow(moment: datetime) -> Any:
    import pyarrow as pa

    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))


def merge(needed: Iterable[Needed]) -> list[Needed]:
    """Return one entry a table, with its intervals in order."""
    by_table: dict[str, list[Needed]] = {}
    for each in needed:
        by_table.setdefault(each.table, []).append(each)
    return [found[0] if len(found) == 1 else _union(table, found) for table, found in sorted(by_table.items())]


def _union(table: str, found: Iterable[Needed]) -> Needed:
    return Needed(table, tuple(sorted({interval for each in found for interval in each.intervals})))
