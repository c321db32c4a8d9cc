"""Every prediction of the time that is replayed, with its features as they were known and the label that it came to.

They are made once, by the calls of training and scoring, and then cut: a label counts as it was known at maturity, so a
row that is mature has the same label in every training set, and each set is a stretch of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.intervals import Interval, Schedule

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.backtest.store import Store
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

ROW = " row"
_MONTHS = Schedule("0 0 1 * *")


@dataclass(frozen=True)
class Rows:
    """Predictions in order of time and key.

    Attributes:
        population: Key, the population's columns, prediction_time and features of all of them.
        labelled: Those that have a label, with ``label``, ``label_known_at`` and their number in ``population`` (ROW),
            in the order in which an estimator is fitted on them.
        versions: Table to the Delta version that was read.
        definitions: To say until when labels are settled.
    """

    model: Model
    population: pa.Table
    labelled: pa.Table
    versions: dict[str, int]
    definitions: Definitions

    def predicted(self, start: datetime, end: datetime) -> tuple[pa.Table, int]:
        """Return the rows with prediction_time in ``[start, end)``, and the number of the first."""
        first, last = np.searchsorted(self._times, [_micros(start), _micros(end)])
        return self.population.slice(first, last - first), int(first)

    def known(self, start: datetime, end: datetime, as_of: datetime) -> pa.Table:
        """Return the rows with a label that ``population_set`` gives at ``as_of``, and their ROW."""
        from slipstream.features.inputs import matured_before

        end = min(end, matured_before(self.model, as_of, definitions=self.definitions))
        first, last = np.searchsorted(self._label_times, [_micros(start), _micros(end)])
        return self.labelled.slice(first, max(last - first, 0))

    @cached_property
    def _times(self) -> NDArray[np.int64]:
        return _times_of(self.population)

    @cached_property
    def _label_times(self) -> NDArray[np.int64]:
        return _times_of(self.labelled)


def _times_of(rows: pa.Table) -> NDArray[np.int64]:
    import pyarrow as pa

    found: NDArray[np.int64] = rows["prediction_time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return found


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def settled(model: Model, end: datetime, *, definitions: Definitions) -> datetime:
    """Return when every label of a prediction before ``end`` is settled: the end of the batch that brings the last."""
    from slipstream.definitions.tables import table_cron

    ready = end + model.label.maturity
    crons = [table_cron(definitions, given.table) for given in model.label.inputs.values()]
    return max(ready if cron.floor(ready) == ready else cron.next(ready) for cron in crons)


def pinned(model: Model, span: Interval, *, definitions: Definitions, lake: Lake) -> dict[str, int]:
    """Return the versions of all that the rows of ``span`` are made of; IncompleteError names what is not there yet."""
    from slipstream.features.inputs import pin, require
    from slipstream.features.sets import set_inputs

    as_of = settled(model, span.end, definitions=definitions)
    needed = set_inputs(model, span.start, span.end, definitions=definitions, as_of=as_of)
    versions = pin(lake, needed)
    require(lake, needed, who=f"The backtest of {model.name!r} over {span}", versions=versions)
    return versions


def load_rows(
    model: Model,
    span: Interval,
    versions: dict[str, int],
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    store: Store,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """Make the rows of ``span``, a month at a time, or read those that were made before."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from slipstream.training.dataset import in_order

    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings, "versions": versions}
    pieces, found = list(months_of(span)), []
    for done, piece in enumerate(pieces):
        if progress:
            progress(done, len(pieces))

        def make(folder: Path, piece: Interval = piece) -> None:
            pq.write_table(_of_piece(model, piece, **source), folder / "rows.parquet", compression="zstd")

        folder = store.remember_folder("rows", f"{piece.start:%Y%m%dT%H%M%S}-{piece.end:%Y%m%dT%H%M%S}", make)
        found.append(pq.read_table(folder / "rows.parquet", partitioning=None))
    if progress:
        progress(len(pieces), len(pieces))
    whole = pa.concat_tables(found).combine_chunks()
    whole = whole.set_column(whole.column_names.index(ROW), ROW, pa.array(np.arange(whole.num_rows)))
    labelled = in_order(whole.filter(pc.is_valid(whole["label"])), model).combine_chunks()
    population = whole.drop_columns([ROW, "label", "label_known_at"])
    return Rows(model, population, labelled, versions, definitions)


def months_of(span: Interval) -> Iterator[Interval]:
    """Yield the months (UTC) of ``span``, the first and last as far as they lie in it."""
    for month in _MONTHS.intervals(span.start, span.end):
        yield Interval(max(month.start, span.start), min(month.end, span.end))


def _of_piece(model: Model, piece: Interval, *, versions: dict[str, int], **source: Any) -> pa.Table:
    """Return the predictions of ``piece`` with their labels, null where a row has none."""
    import pyarrow as pa

    from slipstream.features import population_set
    from slipstream.features.labels import attach_labels

    rows = population_set(model, piece.start, piece.end, versions=versions, **source).rows
    rows = rows.append_column(ROW, pa.array(np.arange(rows.num_rows)))
    as_of = settled(model, piece.end, definitions=source["definitions"])
    labelled = attach_labels(model, rows, piece.start, piece.end, as_of, versions=versions, **source)
    place = np.full(rows.num_rows, -1)
    place[labelled[ROW].to_numpy()] = np.arange(labelled.num_rows)
    taken = pa.array(place, mask=place < 0)
    for name in ("label", "label_known_at"):
        rows = rows.append_column(name, labelled[name].combine_chunks().take(taken))
    return rows
