"""The point-in-time join: for each prediction, the last value of its entity that was known by then.

A row of a view says what was so at ``event_time`` and that it became known at ``known_at``. For a prediction made at
time *t*, the row that counts is, among those of its entity with ``known_at <= t``, the one with the greatest
``event_time``; among equal ones the greatest ``known_at``; among rows equal in both, the one whose features are
greatest (see `slipstream.features.ties`), compared in the order of their names. If its ``event_time`` is more than
``ttl`` before *t*, nothing counts. docs/explanation/point-in-time.md explains the rule and the reduction used here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from slipstream.errors import SchemaError
from slipstream.features.keys import NO_MATCH, KeyEncoder, learn_keys
from slipstream.features.search import distinct, last_at_or_before
from slipstream.features.ties import rank_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]

EVENT_TIME, KNOWN_AT = "event_time", "known_at"
CHUNK_ROWS = 131_072
MAX_CHUNK_ROWS = 1_048_576
THREADS = 2
_MICROSECONDS = pa.timestamp("us", tz="UTC")
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class ViewRows:
    """The rows of one view, as read, and how they meet a population.

    Attributes:
        name: The view's name, for messages.
        keys: Population column to view key column. None at all: every row of the population is the same entity.
        rows: Keys, ``event_time``, ``known_at`` and features, in any order.
        features: Column of the result to feature of the view, for example ``{"weather__wind": "wind"}``.
        ttl: How long before the prediction the value may have been so; a row exactly this old still counts.
    """

    name: str
    keys: Mapping[str, str]
    rows: pa.Table
    features: Mapping[str, str]
    ttl: timedelta | None = None


@dataclass(frozen=True)
class PreparedView:
    """A view reduced to the rows that can ever count, sorted once, to be joined to any number of batches.

    ``positions`` are ``entity * span + time``, strictly ascending; ``time`` is ``known_at`` less the earliest one, or
    its rank among the known times where the difference would not fit beside the entity.
    """

    name: str
    keys: Mapping[str, str]
    features: pa.Table
    ttl: int | None
    encoder: KeyEncoder
    positions: Ints
    event_times: Ints
    clock: _Clock


@dataclass(frozen=True)
class _Clock:
    """Maps microseconds onto 0..span-1, exactly, so that an entity and a time fit into one int64."""

    span: int
    earliest: int
    times: Ints | None

    def place(self, times: Ints) -> Ints:
        """Return how far along each time is: the last place at or before it; -1 where it is before them all."""
        if self.times is not None:
            return last_at_or_before(self.times, times)
        return np.clip(times, self.earliest - 1, self.earliest + self.span - 1) - self.earliest


def point_in_time_join(population: pa.Table, views: Sequence[ViewRows], *, time: str = "prediction_time") -> pa.Table:
    """Return every row of ``population`` once, in the same order, with the features of ``views`` as of its ``time``.

    The columns of the population come first, as they are, then each view's features in the order given. A feature is
    null where the entity is unknown, its key null, nothing was known yet, or the last value was too old.

    Raises:
        SchemaError: A column is missing, named twice or of a type that cannot be matched; a time is null, has no time
            zone or is finer than microseconds.
    """
    prepared = _prepare_all(views)
    _check_population(population.schema, prepared, time)
    batches = _join_all(_slices(population, _chunk_rows(prepared)), prepared, time)
    return pa.Table.from_batches(
        (b for t in batches for b in t.to_batches()), schema=_joined_schema(population.schema, prepared)
    )


def point_in_time_join_stream(
    reader: pa.RecordBatchReader, views: Sequence[ViewRows | PreparedView], *, time: str = "prediction_time"
) -> pa.RecordBatchReader:
    """As `point_in_time_join`, for a population that is read in batches: memory holds the views and a few batches."""
    prepared = _prepare_all(views)
    _check_population(reader.schema, prepared, time)
    slices = _regroup(reader, _chunk_rows(prepared))
    batches = (batch for joined in _join_all(slices, prepared, time) for batch in joined.to_batches())
    return pa.RecordBatchReader.from_batches(_joined_schema(reader.schema, prepared), batches)


def join_batch(population: pa.Table, views: Sequence[PreparedView], *, time: str = "prediction_time") -> pa.Table:
    """Join one batch of a population to prepared views; see `point_in_time_join`."""
    _check_population(population.schema, views, time)
    return _join(population, views, time)


def prepare(view: ViewRows) -> PreparedView:
    """Sort the rows of ``view`` and keep those that can ever be the last value known.

    A row never counts if, by the time it became known, a row with a later ``event_time`` was known already.
    """
    _check_view(view)
    rows = view.rows
    event = _microseconds(rows[EVENT_TIME], f"{EVENT_TIME} of view {view.name!r}")
    known = _microseconds(rows[KNOWN_AT], f"{KNOWN_AT} of view {view.name!r}")
    names = list(view.keys.values())
    encoder, codes = learn_keys([_one_array(rows[name]) for name in names], names, rows=rows.num_rows)
    clock = _make_clock(known, encoder.size)
    positions = codes * clock.span + clock.place(known)

    order = np.argsort(positions)
    order = order[np.searchsorted(codes[order] != NO_MATCH, True) :]
    order = _greatest_of_equals(order, positions, event, rows, names)
    order = _drop_outdated(order, codes, event)
    picked = rows.select(list(view.features.values())).take(pa.array(order)).combine_chunks()
    return PreparedView(
        name=view.name,
        keys=dict(view.keys),
        features=picked.rename_columns(list(view.features)),
        ttl=None if view.ttl is None else min(view.ttl // timedelta(microseconds=1), int(_INT64.max)),
        encoder=encoder,
        positions=positions[order],
        event_times=event[order],
        clock=clock,
    )


def _prepare_all(views: Sequence[ViewRows | PreparedView]) -> list[PreparedView]:
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        return list(pool.map(lambda view: view if isinstance(view, PreparedView) else prepare(view), views))


def _make_clock(times: Ints, entities: int) -> _Clock:
    if not len(times):
        return _Clock(span=1, earliest=0, times=None)
    earliest, latest = int(times.min()), int(times.max())
    span = latest - earliest + 1
    if entities * span < _INT64.max and earliest > _INT64.min:
        return _Clock(span=span, earliest=earliest, times=None)
    ticks = distinct(times)
    return _Clock(span=len(ticks), earliest=earliest, times=ticks)


def _greatest_of_equals(order: Ints, positions: Ints, event: Ints, rows: pa.Table, keys: Sequence[str]) -> Ints:
    """Of the rows of an entity that became known at the same instant, keep the one that counts."""
    same_as_next = positions[order[1:]] == positions[order[:-1]]
    if not same_as_next.any():
        return order
    tied = np.append(same_as_next, False) | np.append(False, same_as_next)
    equals = order[tied]
    equals = equals[np.lexsort((event[equals], positions[equals]))]
    twins = (positions[equals[1:]] == positions[equals[:-1]]) & (event[equals[1:]] == event[equals[:-1]])
    if twins.any():
        features = sorted(set(rows.column_names) - {*keys, EVENT_TIME, KNOWN_AT})
        values = rows.select(features).take(pa.array(equals))
        ranks = [rank_values(values[name]) for name in reversed(features)]
        equals = equals[np.lexsort((*ranks, event[equals], positions[equals]))]
    last = np.append(positions[equals[1:]] != positions[equals[:-1]], True)
    kept = order.copy()
    kept[tied] = equals
    keep = np.ones(len(order), dtype=bool)
    keep[tied] = last
    return kept[keep]


def _drop_outdated(order: Ints, codes: Ints, event: Ints) -> Ints:
    """Drop a row where its entity had a later event known already: ``order`` is by entity, then by ``known_at``."""
    if len(order) < 2:
        return order
    events, entities = event[order], codes[order]
    new_entity = np.append(True, entities[1:] != entities[:-1])
    if not ((events[1:] < events[:-1]) & ~new_entity[1:]).any():
        return order
    # The running maximum of one array restarts at each entity because entities ascend in the composite.
    entity = np.cumsum(new_entity) - 1
    clock = _make_clock(events, int(entity[-1]) + 1)
    composite = entity * clock.span + clock.place(events)
    kept: Ints = order[composite == np.maximum.accumulate(composite)]
    return kept


def _join(population: pa.Table, views: Sequence[PreparedView], time: str) -> pa.Table:
    times = _microseconds(population[time], f"{time!r} of the population")
    columns = list(population.columns)
    for view in views:
        found = _last_known(population, times, view)
        columns += [column.take(found) for column in view.features.columns]
    return pa.Table.from_arrays(columns, schema=_joined_schema(population.schema, views))


def _last_known(population: pa.Table, times: Ints, view: PreparedView) -> pa.Array:
    """Return for each row of the population the place in the view of the row that counts, or null."""
    if not len(view.positions):
        return pa.nulls(len(times), pa.int64())
    names = list(view.keys)
    codes = view.encoder.encode([_one_array(population[name]) for name in names], names, rows=len(times))
    first = codes * view.clock.span
    places = last_at_or_before(view.positions, first + view.clock.place(times))
    safe = np.maximum(places, 0)
    counts = (codes != NO_MATCH) & (places >= 0) & (view.positions[safe] >= first)
    if view.ttl is not None:
        oldest = np.maximum(times, _INT64.min + view.ttl) - view.ttl
        counts &= view.event_times[safe] >= oldest
    return pa.array(safe, mask=~counts)


def _join_all(slices: Iterator[pa.Table], views: Sequence[PreparedView], time: str) -> Iterator[pa.Table]:
    """Join slices in order, a few at a time: numpy and Arrow let go of Python's lock while they work."""
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        waiting = []
        for part in slices:
            waiting.append(pool.submit(_join, part, views, time))
            if len(waiting) > THREADS:
                yield waiting.pop(0).result()
        for done in waiting:
            yield done.result()


def _chunk_rows(views: Sequence[PreparedView]) -> int:
    """Return how many rows to join at a time: more where a view has many entities, whose values each chunk looks up."""
    return min(max([CHUNK_ROWS, *(view.encoder.widest for view in views)]), MAX_CHUNK_ROWS)


def _slices(population: pa.Table, rows: int) -> Iterator[pa.Table]:
    for start in range(0, population.num_rows, rows):
        yield population.slice(start, rows)


def _regroup(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """Gather small batches, such as those of a table with a file a day, and cut large ones."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in reader:
        waiting.append(batch)
        count += batch.num_rows
        if count >= rows:
            yield from _slices(pa.Table.from_batches(waiting), rows)
            waiting, count = [], 0
    yield from _slices(pa.Table.from_batches(waiting, schema=reader.schema), rows)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _microseconds(column: pa.ChunkedArray, what: str) -> Ints:
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        message = f"{what} is {column.type}; a timestamp with time zone is wanted. Cast it in the SQL."
        raise SchemaError(message)
    if column.null_count:
        message = f"{what} is null in {column.null_count} of {len(column)} rows. Leave such rows out, or give the time."
        raise SchemaError(message)
    try:
        exact = column.cast(_MICROSECONDS)
    except pa.ArrowInvalid as error:
        message = f"{what} does not fit microseconds: {error}. Round it up in the SQL, so that nothing is known early."
        raise SchemaError(message) from error
    return np.asarray(exact.cast(pa.int64()), dtype=np.int64)


def _joined_schema(population: pa.Schema, views: Sequence[PreparedView]) -> pa.Schema:
    added = [field.with_nullable(True) for view in views for field in view.features.schema]
    return pa.schema([*population, *added], metadata=population.metadata)


def _check_view(view: ViewRows) -> None:
    wanted = {*view.keys.values(), EVENT_TIME, KNOWN_AT, *view.features.values()}
    missing = sorted(wanted - set(view.rows.column_names))
    if missing:
        message = f"View {view.name!r} has no column {', '.join(missing)}; it has {', '.join(view.rows.column_names)}."
        raise SchemaError(message)
    if view.ttl is not None and view.ttl < timedelta(0):
        message = f"The ttl of view {view.name!r} is {view.ttl}; it cannot be negative."
        raise SchemaError(message)


def _check_population(population: pa.Schema, views: Sequence[PreparedView], time: str) -> None:
    missing = sorted({time, *(name for view in views for name in view.keys)} - set(population.names))
    if missing:
        message = f"The population has no column {', '.join(missing)}; it has {', '.join(population.names)}."
        raise SchemaError(message)
    names = [*population.names, *(name for view in views for name in view.features.column_names)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"The columns {', '.join(twice)} would be in the result more than once. Give each another name."
        raise SchemaError(message)
