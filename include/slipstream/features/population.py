"""Who is predicted, and when: the population's SQL, run once for each interval of the scoring schedule.

A stretch of many intervals is the union of those runs, each over the rows that were known when it was due. So a
training set has the very rows that scoring had, also where the SQL counts or ranks within its interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import DefinitionError
from slipstream.features.inputs import due_time, empty_table, finished, open_inputs
from slipstream.features.rows import conform, narrow, require_columns, require_times
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

TIME_COLUMN = "prediction_time"


def scoring_intervals(model: Model, start: datetime, end: datetime) -> list[Interval]:
    """Return the scoring intervals that overlap ``[start, end)``, from the model's own start on."""
    begin, end = max(start, model.start), min(end, model.end) if model.end else end
    return list(model.cron.intervals(begin, end)) if begin < end else []


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
        else empty_table(definitions, given.table).schema
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
    intervals = scoring_intervals(model, start, end)
    if not intervals:
        return
    whole = _Opened(model, intervals, definitions=definitions, lake=lake, versions=versions)
    for interval in intervals:
        yield from _of_interval(
            model, interval, whole, definitions=definitions, settings=settings, start=start, end=end
        )


class _Opened:
    """The population's inputs, loaded once where many intervals read them, opened lazily where one does."""

    def __init__(
        self,
        model: Model,
        intervals: list[Interval],
        *,
        definitions: Definitions,
        lake: Lake,
        versions: Mapping[str, int],
    ) -> None:
        self._model, self._definitions = model, definitions
        due = due_time(model, intervals[-1])
        self._rows: dict[str, Any] = dict(
            open_inputs(
                model.population.inputs,
                definitions=definitions,
                lake=lake,
                start=intervals[0].start,
                due=due,
                versions=versions,
            )
        )
        self._many = len(intervals) > 1
        if self._many:
            self._rows = {alias: rows.to_table() for alias, rows in self._rows.items()}

    def at(self, interval: Interval) -> dict[str, Any]:
        if not self._many:
            return self._rows
        return {alias: self._slice(alias, rows, interval) for alias, rows in self._rows.items()}

    def _slice(self, alias: str, rows: pa.Table, interval: Interval) -> pa.Table:
        import pyarrow.compute as pc

        given, due = self._model.population.inputs[alias], due_time(self._model, interval)
        since = interval.start - given.lookback
        read = finished(self._definitions, given.table, since, due).intervals
        if not read:
            return rows.slice(0, 0)
        wanted = (pc.field("interval_start") >= read[0].start) & (pc.field("interval_start") <= read[-1].start)
        return rows.filter(wanted & (pc.field("known_at") >= since) & (pc.field("known_at") <= due))


def _of_interval(
    model: Model,
    interval: Interval,
    opened: _Opened,
    *,
    definitions: Definitions,
    settings: Settings,
    start: datetime,
    end: datetime,
) -> Iterator[pa.RecordBatch]:
    import pyarrow.compute as pc

    from slipstream.engine import stream

    where = f"The population of model {model.name!r}"
    bounds = {"interval_start": interval.start, "interval_end": interval.end}
    first, last = max(start, interval.start), min(end, interval.end)
    with stream(model.text(model.population.sql), tables=opened.at(interval), params=bounds, settings=settings) as rows:
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
