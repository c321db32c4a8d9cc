"""The first step: read a batch, cast it, set aside what is no good row, and stage both."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from slipstream.definitions import Source
from slipstream.errors import BatchRejectedError
from slipstream.ingestion.batch import LoadedBatch
from slipstream.ingestion.connectors import Chunk, open_batch
from slipstream.ingestion.connectors.chunk import Reject
from slipstream.ingestion.duplicates import SHOWN, Duplicates
from slipstream.ingestion.parts import PartWriter, StagedRows
from slipstream.ingestion.rows import Problem, reject_rows, shape
from slipstream.ingestion.staging import Staging
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.lake.erasures import unnamed
from slipstream.lake.naming import Names
from slipstream.settings import Settings


def load_batch(source: Source, interval: Interval, *, lake: Lake, settings: Settings, run: Run) -> LoadedBatch:
    """Read the batch of ``interval`` and stage its rows, cast to the declared types, and its quarantine.

    Holds about ``settings.chunk_rows`` rows at a time, and 32 bytes for each row of the batch to find duplicate keys.
    Nothing is written to ``lake``. Rows of subjects that were erased are left out and only counted.

    Raises:
        BatchNotReadyError: The batch has not arrived, or changed while it was read.
        BatchRejectedError: The batch as a whole is not what the source declares.
        ServiceError: Where it comes from does not answer.
    """
    staging = Staging.of(source.name, interval, run, settings)
    staging.remove()
    try:
        batch = open_batch(source, interval, settings)
        erased = lake.suppressions.of_source(source.subject_key, source.table)
        loader = _Loader(source, interval, staging, settings, erased)
        try:
            for chunk in batch.chunks():
                for part in chunk.slices(settings.chunk_rows):
                    loader.add(part)
        except BatchRejectedError:
            batch.confirm()  # half a file may look damaged: where it has grown since, it is only not ready yet
            raise
        duplicates = loader.finish()
        batch.confirm()
    except BaseException:
        staging.remove()
        raise
    parts = loader.parts
    loaded = LoadedBatch(
        source=source.name,
        interval=interval,
        rows_in=parts.rows_in,
        accepted=parts.accepted - duplicates,
        quarantined=parts.quarantined + duplicates,
        staging=staging.place,
        files=batch.files,
        ignored_columns=batch.ignored,
        suppressed=loader.suppressed,
    )
    staging.write_note("loaded", loaded.as_dict())
    return loaded


class _Loader:
    def __init__(
        self, source: Source, interval: Interval, staging: Staging, settings: Settings, erased: Sequence[Names]
    ) -> None:
        self._source, self._interval, self._staging = source, interval, staging
        self._erased, self.suppressed = erased, 0
        self.parts = PartWriter(staging, limit=settings.chunk_rows)
        self._duplicates = Duplicates(source)

    def add(self, chunk: Chunk) -> None:
        shaped = shape(chunk.columns, self._source, self._interval)
        rejects = [*chunk.rejects, *reject_rows(chunk, shaped.problems)]
        good = shaped.good
        if self._erased:
            good, rejects = self._without_erased(shaped.rows, good, rejects)
        rows = shaped.rows if len(good) == shaped.rows.num_rows else shaped.rows.take(good)
        self._duplicates.add(rows)
        self.parts.add(chunk, rows, good, rejects)

    def _without_erased(
        self, rows: pa.Table, good: pa.Array, rejects: Sequence[Reject]
    ) -> tuple[pa.Array, list[Reject]]:
        """Leave out what an erasure took: neither accepted nor set aside, so that it is not written anywhere."""
        left = unnamed(self._source.table, rows, self._erased)
        kept = good if left is None else good.filter(left.take(good))
        aside = [each for each in rejects if not any(names.in_record(each.raw) for names in self._erased)]
        self.suppressed += len(good) - len(kept) + len(rejects) - len(aside)
        return kept, aside

    def finish(self) -> int:
        """Set duplicates aside; return how many."""
        self.parts.flush()
        groups = list(self._duplicates.groups())
        if not groups:
            return 0
        staged = StagedRows(self._staging)
        places = staged.places([number for members, _ in groups for number in members[: SHOWN + 1]])
        dropped: dict[int, list[Problem]] = {}
        for members, same in groups:
            problem = self._problem([places[number] for number in members[: SHOWN + 1]], same)
            dropped |= {number: [problem] for number in (members[1:] if same else members)}
        staged.drop(dropped, step="1-keys")
        return len(dropped)

    def _problem(self, places: Sequence[str], same: bool) -> Problem:
        key = ", ".join(self._source.key)
        if same:
            return Problem(key, f"The row is a duplicate of {places[0]}, in every column.", "duplicate")
        listed = "; ".join(places[:SHOWN]) + ("; and more" if len(places) > SHOWN else "")
        return Problem(key, f"Rows of one key ({key}) differ, so that none of them is taken: {listed}.", "duplicate")
