"""Who is predicted, and when: the population's SQL, run once for each interval of the scoring schedule.

A stretch of many intervals is the union of those runs, each over the rows that were known when it was due. So a
training set has the very rows that scoring had, also where the SQL counts or ranks within its interval.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import DefinitionError
from slipstream.features.inputs import due_time, empty_table, finished, open_inputs
from slipstream.features.rows import conform, narrow, require_columns, require_times
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.engine import Session
    from slipstream.lake import Lake
    from slipstream.settings import Settings

TIME_COLUMN = "prediction_time"
INTERVALS_AT_ONCE = 31  # whose inputs are loaded together


def scoring_intervals(model: Model, start: datetime, end: datetime) -> list[Interval]:
    """Return the scoring intervals that overlap ``[start, end)``, from the model's own start on."""
    begin, end = max(start, model.start), min(end, model.end) if model.end else end
    return [i for i in model.cron.intervals(begin, end) if i.start >= model.start] if begin < end else []


def population_columns(model: Model, definitions: Definitions) -> list[str]:
    """Return the columns that the population's SQL must give: key, entity columns of the views, prediction_time."""
    entities = [model.keys.get(name, {}).get(key, key) for name in model.views for key in definitions.view(name).entity]
    return list(dict.fromkeys([*model.key, *entities, TIME_COLUMN]))


def population_schema(
    model: Model, *, definitions: Definitions, lake: Lake, versions: Mapping[str, int], settings: Settings
) -> pa.Schema:
    """Return the columns and types that the population's SQL gives over the tables at ``versions``."""
    from slipstream.engine import describe

    schemas = {
        alias: lake.table(given.table).schema(versions[given.table])
        if given.table in versions
        else empty_table(definitions, given.table, settings=settings).schema
        for alias, given in model.population.inputs.items()
    }
    bounds = {"interval_start": model.start, "interval_end": model.cron.next(model.start)}
    found = describe(model.text(model.population.sql), schemas=schemas, params=bounds, settings=settings)
    require_columns(found, population_columns(model, definitions), where=f"The population of model {model.name!r}")
    return narrow(found)


def population_batches(
    model: Model,
    start: datetime,
    end: datetime,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    versions: Mapping[str, int],
) -> Iterator[pa.RecordBatch]:
    """Yield the population with ``prediction_time`` in ``[start, end)`` (UTC), interval by interval."""
    from slipstream.engine import open_session

    intervals = scoring_intervals(model, start, end)
    if not intervals:
        return
    with open_session(settings) as session:
        for position in range(0, len(intervals), INTERVALS_AT_ONCE):
            some = intervals[position : position + INTERVALS_AT_ONCE]
            opened = _Opened(model, some, definitions=definitions, lake=lake, settings=settings, versions=versions)
            for interval in some:
                yield from _of_interval(model, interval, opened, session, definitions, start=start, end=end)


class _Opened:
    """The population's inputs, loaded once where several intervals read them, opened lazily where one does."""

    def __init__(
        self,
        model: Model,
        intervals: Sequence[Interval],
        *,
        definitions: Definitions,
        lake: Lake,
        settings: Settings,
        versions: Mapping[str, int],
    ) -> None:
        self._model = model
        first, due = intervals[0].start, due_time(model, intervals[-1])
        inputs = model.population.inputs
        self._rows: dict[str, Any] = dict(
            open_inputs(
                inputs,
                definitions=definitions,
                lake=lake,
                settings=settings,
                start=first,
                due=due,
                versions=versions,
            )
        )
        self._many = len(intervals) > 1
        if self._many:
            self._rows = {alias: rows.to_table() for alias, rows in self._rows.items()}
            self._starts = {alias: rows["interval_start"].to_numpy() for alias, rows in self._rows.items()}
            self._read = {
                alias: finished(definitions, given.table, first - given.lookback, due).intervals
                for alias, given in inputs.items()
            }

    def at(self, interval: Interval) -> dict[str, Any]:
        """Return what the SQL sees when ``interval`` is due: the same rows as if it were the only one."""
        if not self._many:
            return self._rows
        return {alias: self._slice(alias, interval) for alias in self._rows}

    def _slice(self, alias: str, interval: Interval) -> pa.Table:
        import numpy as np
        import pyarrow.compute as pc

        due = due_time(self._model, interval)
        since = interval.start - self._model.population.inputs[alias].lookback
        read = self._read[alias]
        low = bisect_right(read, since, key=lambda i: i.end)
        high = min(bisect_right(read, due, key=lambda i: i.end), bisect_left(read, due, key=lambda i: i.start))
        if low >= high:
            return self._rows[alias].slice(0, 0)
        ends = [np.datetime64(moment.replace(tzinfo=None), "us") for moment in (read[low].start, read[high - 1].start)]
        begin = int(np.searchsorted(self._starts[alias], ends[0], side="left"))
        stop = int(np.searchsorted(self._starts[alias], ends[1], side="right"))
        rows = self._rows[alias].slice(begin, stop - begin)
        return rows.filter((pc.field("known_at") >= since) & (pc.field("known_at") <= due))


def _of_interval(
    model: Model,
    interval: Interval,
    opened: _Opened,
    session: Session,
    definitions: Definitions,
    *,
    start: datetime,
    end: datetime,
) -> Iterator[pa.RecordBatch]:
    import pyarrow.compute as pc

    where = f"The population of model {model.name!r}"
    bounds = {"interval_start": interval.start, "interval_end": interval.end}
    first, last = max(start, interval.start), min(end, interval.end)
    rows = session.stream(model.text(model.population.sql), tables=opened.at(interval), params=bounds)
    require_columns(rows.schema, population_columns(model, definitions), where=where)
    schema = narrow(rows.schema)
    for batch in rows:
        whole = conform(batch, schema, where=where)
        require_times(whole, (TIME_COLUMN,), where=where)
        times = whole.column(TIME_COLUMN)
        kept = whole.filter(pc.and_(pc.greater_equal(times, first), pc.less(times, last)))
        _require_ahead(model, kept, interval)
        if kept.num_rows:
            yield kept


def _require_ahead(model: Model, batch: pa.RecordBatch, interval: Interval) -> None:
    """Scoring at the start of an interval can predict only what is due at that start: the rest is not known yet."""
    import pyarrow.compute as pc

    if model.scoring.at != "start" or not batch.num_rows:
        return
    later = pc.sum(pc.greater(batch.column(TIME_COLUMN), interval.start)).as_py()
    if later:
        message = (
            f"Model {model.name!r} is scored at the start of each interval, so every prediction_time must be that "
            f"start; {later} row(s) of {iso(interval.start)} have a later one. Score it with `at: end`, or mend "
            "population.sql."
        )
        raise DefinitionError(message)
