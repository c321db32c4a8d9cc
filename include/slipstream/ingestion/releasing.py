"""Let corrected rows of the quarantine back into their interval, exactly once.

The quarantine is written first, with the corrections; then the raw interval, from what it holds and every released
correction. So the same release again, or after a crash, gives the same rows; and when the interval is ingested again,
the stored corrections are laid over the rows that are set aside again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from slipstream.definitions import Source
from slipstream.errors import ReleaseError, WriteConflictError
from slipstream.ingestion.contract import Contract
from slipstream.ingestion.corrections import Checked, check_corrections, merge_correction
from slipstream.ingestion.duplicates import row_hashes
from slipstream.ingestion.entries import mark, quarantine_table, read_entries
from slipstream.intervals import Interval
from slipstream.lake import Commit, Lake, Provenance, Run, Table


@dataclass(frozen=True)
class Released:
    """What a release did.

    Attributes:
        ids: The quarantined rows that are in the interval now, by this or an earlier release of the same correction.
        accepted: Rows of the interval now.
        changed: False where all of this was so before.
    """

    source: str
    interval: Interval
    ids: tuple[str, ...]
    accepted: int
    quarantined: int
    version: int
    digest: str
    changed: bool

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "interval": str(self.interval), "ids": list(self.ids)}


def release(
    source: Source, interval: Interval, corrections: Mapping[str, Mapping[str, Any]], *, lake: Lake, run: Run
) -> Released:
    """Let quarantined rows back in, each with the columns that its correction gives; all of them, or none.

    The corrected rows pass through the casts, rules and contract as any row does. Doing it again changes nothing.

    Args:
        corrections: By the id of a quarantined row, new values by column; the rest stays as it stood. No values at all
            release a row as it is, which is of use once its contract has changed.

    Raises:
        ReleaseError: An id is not in the quarantine, was released otherwise before, or its row is no good row yet.
        BatchRejectedError: With the rows, the interval breaks an expectation that halts.
        WriteConflictError: Somebody else wrote the interval meanwhile; run it again.
    """
    set_aside = lake.table(quarantine_table(source.name)).commit_of(interval)
    entries = read_entries(lake, source, interval)
    known = {row["id"]: row for row in entries.to_pylist()}
    corrected = _corrected(source, interval, known, corrections)
    before = {id_: row["corrected"] for id_, row in known.items() if row["released"]}
    contract = Contract(source)
    old = check_corrections(before, source=source, interval=interval, contract=contract, accepted=_nothing)
    held = _Held(lake, source, interval, old.rows)
    new = {id_: text for id_, text in corrected.items() if id_ not in before}
    checked = check_corrections(
        new, source=source, interval=interval, contract=contract, accepted=held.with_rows(old.rows)
    )
    _refuse_failures(source, interval, checked)
    rows = pa.concat_tables([old.rows, checked.rows])
    _judge(contract, source, held, rows)
    return _write(source, interval, held, rows, mark(entries, new, {}), tuple(corrected), set_aside, lake, run)


def _nothing(columns: Sequence[str]) -> Iterator[pa.Table]:
    return iter(())


class _Held:
    """The rows that an interval holds without its released ones, at one version."""

    def __init__(self, lake: Lake, source: Source, interval: Interval, released: pa.Table) -> None:
        self._table, self._source, self._interval = lake.table(source.table), source, interval
        commit = self._table.commit_of(interval)
        if commit is None:
            message = f"{source.table} does not hold {interval} yet. Ingest the interval before you release into it."
            raise ReleaseError(message)
        self.commit = commit
        self._version = self._table.version()
        self._released = {tuple(key) for key in row_hashes(released, released.column_names).tolist()}

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows, part by part."""
        every = self._source.table_schema.names
        reader = self._table.batches(self._interval.start, self._interval.end, columns=every, version=self._version)
        for batch in reader:
            rows = pa.Table.from_batches([batch])
            if self._released:
                keep = [tuple(key) not in self._released for key in row_hashes(rows, every).tolist()]
                rows = rows.filter(pa.array(np.array(keep, dtype=bool)))
            yield rows.select(columns)

    def with_rows(self, more: pa.Table) -> Any:
        """Return ``tables`` with some rows more."""

        def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
            yield from self.tables(columns)
            yield more.select(columns)

        return tables


def _corrected(
    source: Source, interval: Interval, known: Mapping[str, Any], corrections: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return the corrected records by id, or say of every correction that cannot be used why."""
    corrected: dict[str, str] = {}
    problems = []
    for id_ in sorted(corrections):
        row = known.get(id_)
        if row is None:
            problems.append(f"{id_}: the quarantine of this interval has no such row")
            continue
        text, problem = merge_correction(row["raw"], row["rule"], corrections[id_], source)
        if problem is None and row["released"] and row["corrected"] != text:
            problem = "it was released with another correction; have the batch sent again to change it"
        if problem is not None:
            problems.append(f"{id_}: {problem}")
        corrected[id_] = text
    if problems or not corrections:
        raise ReleaseError(_refusal(source, interval, problems or ["no row was named"]))
    return corrected


def _refuse_failures(source: Source, interval: Interval, checked: Checked) -> None:
    if checked.failures:
        problems = [f"{id_}: {reason}" for id_, reason in sorted(checked.failures.items())]
        raise ReleaseError(_refusal(source, interval, problems))


def _refusal(source: Source, interval: Interval, problems: Sequence[str]) -> str:
    listed = "\n".join(f"  {problem}" for problem in problems)
    return f"Nothing of {source.name!r} {interval} was released:\n{listed}\nMend the corrections and release again."


def _judge(contract: Contract, source: Source, held: _Held, rows: pa.Table) -> None:
    if contract.halting:
        columns = contract.wants(contract.halting)
        whole = [source.table_schema.empty_table().select(columns), *held.tables(columns), rows.select(columns)]
        contract.halt(pa.concat_tables([part.cast(whole[0].schema) for part in whole]))


def _write(
    source: Source,
    interval: Interval,
    held: _Held,
    rows: pa.Table,
    entries: pa.Table,
    ids: tuple[str, ...],
    before: Commit | None,
    lake: Lake,
    run: Run,
) -> Released:
    extra = {"stage": "release", "released": list(ids), "before": held.commit.provenance.get("extra", {})}
    provenance = Provenance(run=run, definition=source.digest, extra=extra)
    kept_aside = lake.table(quarantine_table(source.name))
    _still(kept_aside, interval, before)
    _still(lake.table(source.table), interval, held.commit)
    set_aside = kept_aside.write(interval, entries, provenance=provenance)
    schema = source.table_schema
    batches = (batch for part in [*held.tables(schema.names), rows] for batch in part.cast(schema).to_batches())
    commit = lake.table(source.table).write(
        interval, pa.RecordBatchReader.from_batches(schema, batches), provenance=provenance
    )
    _still(kept_aside, interval, set_aside)
    quarantined = entries.num_rows - sum(entries.column("released").to_pylist())
    changed = commit.changed or set_aside.changed
    return Released(source.name, interval, ids, commit.rows, quarantined, commit.version, commit.digest, changed)


def _still(table: Table, interval: Interval, commit: Commit | None) -> None:
    """Raise WriteConflictError where somebody has written the interval since ``commit``."""
    now = table.commit_of(interval)
    if (now and now.version) != (commit and commit.version):
        message = f"{table.name} {interval} was written by somebody else while its rows were released. Release again."
        raise WriteConflictError(message)
