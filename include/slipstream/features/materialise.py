"""One interval of a feature view: its SQL over exactly the interval and its lookback, written whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipstream.features.inputs import contents, open_inputs, pin, require, view_inputs
from slipstream.features.rows import conform, narrow, require_columns, require_times

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, View
    from slipstream.intervals import Interval
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Materialised:
    """What was written for one interval of a view."""

    view: str
    interval: str
    rows: int
    version: int
    digest: str
    changed: bool
    inputs: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "inputs": dict(self.inputs)}


def materialise(
    view: View, interval: Interval, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Materialised:
    """Make the rows of ``view`` with ``event_time`` in ``interval`` (UTC) and replace that interval of its table.

    Raises:
        IncompleteError: An input's interval is not in the lake yet.
        DefinitionError: The SQL does not bind, or lacks a column.
        SchemaError: A value does not fit its declared type, or a row has no time.
    """
    from slipstream.engine import stream
    from slipstream.lake import Provenance

    where = f"View {view.name!r}"
    needed = view_inputs(view, interval, definitions=definitions)
    versions = pin(lake, needed)
    require(lake, needed, who=f"{where} for {interval}", versions=versions)
    tables = open_inputs(
        view.inputs,
        definitions=definitions,
        lake=lake,
        settings=settings,
        start=interval.start,
        due=interval.end,
        versions=versions,
    )
    bounds = {"interval_start": interval.start, "interval_end": interval.end}
    with stream(view.query, tables=tables, params=bounds, settings=settings) as rows:
        import pyarrow as pa

        require_columns(rows.schema, view.entity, where=where)
        schema = view.table_schema(narrow(rows.schema))
        kept = pa.RecordBatchReader.from_batches(schema, _of_interval(rows, schema, interval, where=where))
        reads = contents(lake, needed, versions)
        commit = lake.table(view.table).write(
            interval, kept, provenance=Provenance(run=run, inputs=versions, definition=view.digest, reads=reads)
        )
    return Materialised(
        view.name, str(interval), commit.rows, commit.version, commit.digest, commit.changed, dict(versions)
    )


def _of_interval(
    rows: pa.RecordBatchReader, schema: pa.Schema, interval: Interval, *, where: str
) -> Iterator[pa.RecordBatch]:
    import pyarrow.compute as pc

    for batch in rows:
        whole = conform(batch, schema, where=where)
        require_times(whole, ("event_time", "known_at"), where=where)
        times = whole.column("event_time")
        inside = pc.and_(pc.greater_equal(times, interval.start), pc.less(times, interval.end))
        yield whole.filter(inside)
