"""The second step: hold a staged batch against its contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from slipstream.definitions import Source
from slipstream.ingestion.batch import LoadedBatch, ValidatedBatch
from slipstream.ingestion.contract import Contract
from slipstream.ingestion.corrections import Checked, check_corrections
from slipstream.ingestion.entries import Ids, as_entries, mark, stored_corrections
from slipstream.ingestion.parts import StagedRows
from slipstream.ingestion.rows import Problem
from slipstream.ingestion.staging import Staging
from slipstream.lake import Lake, Run
from slipstream.settings import Settings

STEPS = ("2-rows", "3-batch")
RELEASED = "released"


def validate_batch(source: Source, loaded: LoadedBatch, *, lake: Lake, settings: Settings, run: Run) -> ValidatedBatch:
    """Set aside the rows that break a row expectation, take in released ones, then judge the batch as a whole.

    Corrections that were released before are laid over the rows that are in quarantine again. Expectations that halt
    see the rows that would be published.

    Raises:
        BatchRejectedError: An expectation that halts fails; nothing was published.
        DefinitionError: The contract cannot be run.
        IncompleteError: The staged batch is not there any more.
    """
    staging = Staging(loaded.staging, settings)
    staging.require("loaded")
    contract = Contract(source)
    for step in STEPS:
        staging.clear(prefix=f"bad-{step}")
        staging.clear(prefix=f"dropped-{step}")
    staged = StagedRows(staging)
    broken = _look_at_rows(staged, contract) + _look_at_batch(staged, contract, source)
    checked = _apply_releases(staging, staged, contract, source, loaded, lake)
    contract.halt(_whole(source, contract, staged, checked.rows))
    validated = ValidatedBatch(
        **{
            **vars(loaded),
            "accepted": loaded.accepted - broken + len(checked.ids),
            "quarantined": loaded.quarantined + broken - len(checked.ids),
            "released": len(checked.ids),
        }
    )
    staging.write_note("validated", validated.as_dict())
    return validated


def _look_at_rows(staged: StagedRows, contract: Contract) -> int:
    broken = 0
    if contract.by_row:
        for part, (numbers, rows) in enumerate(staged.tables(contract.wants(contract.by_row))):
            faults = _numbered(contract.faults(contract.by_row, rows), numbers)
            staged.drop(faults, step=f"{STEPS[0]}-{part:05d}")
            broken += len(faults)
    return broken


def _look_at_batch(staged: StagedRows, contract: Contract, source: Source) -> int:
    if not contract.by_batch:
        return 0
    parts = list(staged.tables(contract.wants(contract.by_batch)))
    if not parts:
        return 0
    numbers = pa.concat_arrays([numbers for numbers, _ in parts])
    faults = contract.faults(contract.by_batch, pa.concat_tables([rows for _, rows in parts]))
    staged.drop(_numbered(faults, numbers), step=STEPS[1])
    return len(faults)


def _numbered(faults: Mapping[int, list[Problem]], numbers: pa.Array) -> dict[int, list[Problem]]:
    return {numbers[row].as_py(): problems for row, problems in faults.items()}


def _apply_releases(
    staging: Staging, staged: StagedRows, contract: Contract, source: Source, loaded: LoadedBatch, lake: Lake
) -> Checked:
    """Stage the rows of the quarantine, and those good rows that earlier releases make of them."""
    staging.clear(prefix="quarantine-")
    staging.clear(prefix=f"{RELEASED}-")
    stored = stored_corrections(lake, source, loaded.interval)
    ids, found = Ids(source.name, loaded.interval), set[str]()
    names = staging.parts("bad")
    for place, name in enumerate(names):
        entries = as_entries(staging.read(name), ids)
        found |= stored.keys() & set(entries.column("id").to_pylist()) if stored else set()
        staging.write(f"quarantine-{place:05d}", entries)
    corrected = {id_: stored[id_] for id_ in sorted(found)}

    def accepted(columns: Sequence[str]) -> Iterator[pa.Table]:
        return (rows for _, rows in staged.tables(columns))

    checked = check_corrections(
        corrected, source=source, interval=loaded.interval, contract=contract, accepted=accepted
    )
    for place in range(len(names)) if corrected else ():
        name = f"quarantine-{place:05d}"
        staging.write(name, mark(staging.read(name), corrected, checked.failures))
    if checked.ids:
        staging.write(f"{RELEASED}-00000", checked.rows)
    return checked


def _whole(source: Source, contract: Contract, staged: StagedRows, released: pa.Table) -> pa.Table:
    if not contract.halting:
        return source.table_schema.empty_table()
    columns = contract.wants(contract.halting)
    parts = [source.table_schema.empty_table().select(columns), released.select(columns)]
    return pa.concat_tables([*parts, *(rows for _, rows in staged.tables(columns))])
