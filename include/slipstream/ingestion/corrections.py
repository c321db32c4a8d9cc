"""Corrected records of quarantined rows: would they be good rows of their interval now?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from slipstream.definitions import Source
from slipstream.ingestion.connectors.chunk import record_json
from slipstream.ingestion.connectors.json_lines import as_text_columns, read_object
from slipstream.ingestion.contract import Contract
from slipstream.ingestion.duplicates import row_hashes
from slipstream.ingestion.rows import shape
from slipstream.intervals import Interval

Accepted = Callable[[Sequence[str]], Iterator[pa.Table]]


@dataclass
class Checked:
    """Corrected rows, and why each that is no good row is none.

    Attributes:
        rows: The good ones, of ``source.table_schema``, in the order of ``ids``.
        failures: By id, the reason.
    """

    rows: pa.Table
    ids: list[str]
    failures: dict[str, str] = field(default_factory=dict)


def merge_correction(raw: str, rule: str, correction: Mapping[str, Any], source: Source) -> tuple[str, str | None]:
    """Lay a correction over a quarantined record.

    Returns:
        The corrected record as JSON, and what is wrong with the correction (None where nothing is).
    """
    unknown = sorted(correction.keys() - source.columns.keys())
    if unknown:
        return "", f"there is no column {', '.join(unknown)}; the source has {', '.join(source.columns)}"
    record = None if rule == "long_line" else _record(raw)
    missing = [name for name in source.columns if name not in correction]
    if record is None and missing:
        return (
            "",
            f"its record has no columns, so the correction must give all; missing: {', '.join(missing)}",
        )
    return record_json({**(record or {}), **correction}), None


def _record(raw: str) -> dict[str, Any] | None:
    try:
        return read_object(raw)
    except ValueError:
        return None


def check_corrections(
    corrected: Mapping[str, str], *, source: Source, interval: Interval, contract: Contract, accepted: Accepted
) -> Checked:
    """Cast corrected records and judge them as the batch was judged: types, rules, contract, keys.

    Args:
        corrected: By id, the corrected record as JSON.
        accepted: Gives the rows, in the columns asked for, that the interval holds without these.
    """
    ids = list(corrected)
    if not ids:
        return Checked(source.table_schema.empty_table(), [])
    columns = as_text_columns([read_object(text) for text in corrected.values()], list(source.columns))
    shaped = shape(columns, source, interval)
    failures = {ids[row]: _told(problems) for row, problems in shaped.problems.items()}
    good = shaped.good.to_pylist()
    for row, problems in contract.faults(contract.by_row, shaped.rows.take(pa.array(good, pa.int64()))).items():
        failures[ids[good[row]]] = _told(problems)
    good = [row for row in good if ids[row] not in failures]
    failures |= {ids[row]: reason for row, reason in _key_conflicts(shaped.rows, good, source, accepted).items()}
    good = [row for row in good if ids[row] not in failures]
    if contract.by_batch and good:
        rows = shaped.rows.take(pa.array(good, pa.int64()))
        others = [*accepted(contract.wants(contract.by_batch)), rows.select(contract.wants(contract.by_batch))]
        whole = pa.concat_tables(others)
        first = whole.num_rows - rows.num_rows
        faults = contract.faults(contract.by_batch, whole)
        failures |= {ids[good[row - first]]: _told(found) for row, found in faults.items() if row >= first}
        good = [row for row in good if ids[row] not in failures]
    return Checked(shaped.rows.take(pa.array(good, pa.int64())), [ids[row] for row in good], failures)


def _told(problems: Sequence[Any]) -> str:
    return " ".join(problem.reason for problem in problems)


def _key_conflicts(rows: pa.Table, good: Sequence[int], source: Source, accepted: Accepted) -> dict[int, str]:
    """Return the rows whose key another good row, or a row that the interval holds, has too."""
    keys = [tuple(key) for key in row_hashes(rows, source.key).tolist()]
    members: dict[tuple[int, ...], list[int]] = {}
    for row in good:
        members.setdefault(keys[row], []).append(row)
    name = ", ".join(source.key)
    conflicts = {
        row: f"Another correction has the same key ({name})."
        for group in members.values()
        if len(group) > 1
        for row in group
    }
    wanted = np.array([list(key) for key in members], dtype=np.uint64).reshape(-1, 2)
    for part in accepted(list(source.key)):
        hashes = row_hashes(part, source.key)
        hits = hashes[np.isin(hashes[:, 0], wanted[:, 0])]
        for key in {tuple(hit) for hit in hits.tolist()} & members.keys():
            conflicts |= dict.fromkeys(members[key], f"The interval holds a row of the same key ({name}) already.")
    return conflicts
