"""Training sets and scoring sets, from one function: a population, its features as known then, and its labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from slipstream.features.inputs import (
    Needed,
    due_time,
    empty_table,
    finished,
    label_inputs,
    matured_before,
    merge,
    model_inputs,
    pin,
    require,
)
from slipstream.features.labels import attach_labels
from slipstream.features.population import TIME_COLUMN, population_batches, population_schema, scoring_intervals
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model, View
    from slipstream.features.pointintime import PreparedView
    from slipstream.lake import Lake
    from slipstream.settings import Settings

# Sorts before every other name, so that among rows that became visible together the later known one counts.
_KNOWN_FIRST = " known_at"


@dataclass(frozen=True)
class FeatureSet:
    """Rows of a model, ordered by prediction_time and key, with what they were read from.

    Attributes:
        rows: Key, the population's other columns, prediction_time (UTC), a column ``view__feature`` a feature, and
            with labels also ``label`` and ``label_known_at``.
        versions: Table to the Delta version that was read.
        digest: Of the rows, whatever their order.
    """

    rows: pa.Table
    versions: Mapping[str, int]
    digest: str


def population_set(
    model: Model,
    start: datetime,
    end: datetime,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    as_of: datetime | None = None,
    versions: Mapping[str, int] | None = None,
    labels: bool = False,
    keep: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
) -> FeatureSet:
    """Return every prediction of ``model`` with ``prediction_time`` in ``[start, end)`` (UTC), with its features.

    Args:
        as_of: With labels, the time (UTC) at which the set is made: rows that are not mature by then, and labels that
            were not known by then, are left out.
        versions: Read these table versions instead of the newest: the set comes out as it did then.
        labels: Add ``label`` and keep only rows that have one.
        keep: Leaves rows of the population out, such as all but a sample, before features are looked up.

    Raises:
        IncompleteError: An interval that is needed is not in the lake; the message names the backfill that makes it.
        DefinitionError, SchemaError: The SQL does not give what it must.
    """
    import pyarrow as pa

    from slipstream.lake import digest_rows

    if labels and as_of is None:
        message = "A set with labels wants as_of, the time at which it is made."
        raise ValueError(message)
    end = min(end, matured_before(model, as_of, definitions=definitions)) if labels and as_of else end
    needed = set_inputs(model, start, end, definitions=definitions, as_of=as_of if labels else None)
    pinned = dict(versions) if versions is not None else pin(lake, needed)
    require(lake, needed, who=f"Model {model.name!r} from {iso(start)} to {iso(end)}", versions=pinned)
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings, "versions": pinned}
    batches = list(_joined(model, start, end, keep=keep, **source))
    rows = pa.Table.from_batches(batches) if batches else empty_set(model, **source)
    if labels and as_of:
        rows = attach_labels(model, rows, start, end, as_of, **source)
    rows = rows.sort_by([(TIME_COLUMN, "ascending"), *((name, "ascending") for name in model.key)]).combine_chunks()
    return FeatureSet(rows, pinned, digest_rows(rows).hex)


def feature_batches(
    model: Model,
    interval: Interval,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    versions: Mapping[str, int],
    rows: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the predictions of one interval with their features, at most ``rows`` or ``settings.chunk_rows`` a time."""
    most = rows or settings.chunk_rows
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings, "versions": versions}
    for batch in _joined(model, interval.start, interval.end, **source):
        for start in range(0, batch.num_rows, most):
            yield batch.slice(start, most)


def set_inputs(
    model: Model, start: datetime, end: datetime, *, definitions: Definitions, as_of: datetime | None = None
) -> list[Needed]:
    """Return what ``population_set`` reads for ``[start, end)``; with ``as_of``, also what its labels are made from."""
    if as_of is not None:
        end = min(end, matured_before(model, as_of, definitions=definitions))
    intervals = scoring_intervals(model, start, end)
    if not intervals:
        return []
    needed = model_inputs(model, intervals[0], definitions=definitions, last=intervals[-1])
    if as_of is not None:
        needed += label_inputs(model, start, end, as_of, definitions=definitions)
    return merge(needed)


def prepare_views(
    model: Model,
    start: datetime,
    end: datetime,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    versions: Mapping[str, int],
) -> list[PreparedView]:
    """Read and sort, once, the views of ``model`` as far as predictions in ``[start, end)`` can see them."""
    intervals = scoring_intervals(model, start, end)
    due = due_time(model, intervals[-1]) if intervals else start
    first = intervals[0].start if intervals else start
    return [
        _prepare(
            model,
            definitions.view(name),
            first,
            due,
            definitions=definitions,
            lake=lake,
            settings=settings,
            version=versions.get(f"features/{name}"),
        )
        for name in model.views
    ]


def _prepare(
    model: Model,
    view: View,
    start: datetime,
    due: datetime,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    version: int | None,
) -> PreparedView:
    from slipstream.features.pointintime import ViewRows, prepare

    read = finished(definitions, view.table, start - view.ttl if view.ttl else None, due).intervals
    if read and version is not None:
        columns = [*view.entity, "event_time", "known_at", *model.features_of(view.name).values(), "interval_start"]
        table = lake.table(view.table).read(
            read[0].start, read[-1].end, columns=list(dict.fromkeys(columns)), version=version
        )
    else:
        table = empty_table(definitions, view.table, settings=settings)
    names, ends = model.keys.get(view.name, {}), {interval.start: interval.end for interval in read}
    return prepare(
        ViewRows(
            name=view.name,
            keys={names.get(key, key): key for key in view.entity},
            rows=_as_visible(model, view, table, ends),
            features=model.features_of(view.name),
            ttl=view.ttl,
        )
    )


def _as_visible(model: Model, view: View, rows: pa.Table, ends: Mapping[datetime, datetime]) -> pa.Table:
    """Move ``known_at`` to the first prediction that could see the row.

    A row is in the lake once its view's interval has ended. Scoring cannot see it earlier, however early it was known;
    so training must not either.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    starts = pc.unique(rows["interval_start"]).to_pylist()
    first = {start: _first_prediction(model, ends.get(start) or view.cron.next(start)) for start in starts}
    encoded = rows["interval_start"].combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    seen = pa.array([first[start] for start in encoded.dictionary.to_pylist()], rows["known_at"].type)
    known, ended = rows["known_at"].combine_chunks(), seen.take(encoded.indices)
    visible = pc.if_else(pc.greater(known, ended), known, ended)
    rows = rows.drop_columns(["interval_start"]).append_column(_KNOWN_FIRST, known)
    return rows.set_column(rows.column_names.index("known_at"), "known_at", visible)


def _first_prediction(model: Model, ended: datetime) -> datetime:
    """Return the earliest prediction_time whose scoring run is due at or after ``ended``."""
    if model.scoring.at == "start":
        return ended
    return model.cron.floor(ended - timedelta(microseconds=1))


def _joined(
    model: Model,
    start: datetime,
    end: datetime,
    *,
    keep: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
    **source: Any,
) -> Iterator[pa.RecordBatch]:
    """Yield the population with its features; nothing is read of the views where nobody is predicted."""
    import pyarrow as pa

    from slipstream.features.pointintime import point_in_time_join_stream

    batches = population_batches(model, start, end, **source)
    if keep is not None:
        batches = filter(len, map(keep, batches))
    first = next(batches, None)
    if first is None:
        return
    population = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
    for joined in point_in_time_join_stream(population, prepare_views(model, start, end, **source)):
        yield joined.select([*first.schema.names, *model.feature_columns])


def empty_set(
    model: Model, *, definitions: Definitions, lake: Lake, settings: Settings, versions: Mapping[str, int]
) -> pa.Table:
    """Return no rows, with the columns and types of a set."""
    import pyarrow as pa

    schema = population_schema(model, definitions=definitions, lake=lake, settings=settings, versions=versions)
    for feature in model.features:
        view, _, name = feature.partition(":")
        schema = schema.append(pa.field(f"{view}__{name}", definitions.view(view).features[name].arrow))
    return schema.empty_table()
