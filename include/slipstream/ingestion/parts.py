"""The staged parts of a batch: good rows with their raw records beside them, and rows for the quarantine.

``rows-00000`` holds rows of the table's schema and ``raw-00000`` the raw records of the very same rows; ``bad-…`` holds
rejects in the order in which they were found; ``dropped-…`` the numbers of good rows that a later look took out again.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from slipstream.ingestion.connectors.chunk import Chunk, Reject, record_json
from slipstream.ingestion.rows import Problem, value_in
from slipstream.ingestion.staging import Staging

BAD = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
        ("rule", pa.string()),
        ("raw", pa.string()),
    ]
)
_FILE, _LINE, _TEXT = "__file", "__line", "__text"


def bad_table(rejects: Sequence[Reject]) -> pa.Table:
    """Return rejects as a table, one row each."""
    return pa.Table.from_pylist([asdict(reject) for reject in rejects], schema=BAD)


class PartWriter:
    """Writes the parts of a batch, ``limit`` rows at a time."""

    def __init__(self, staging: Staging, *, limit: int) -> None:
        self._staging, self._limit = staging, limit
        self._rows: list[pa.Table] = []
        self._raw: list[pa.Table] = []
        self._bad: list[Reject] = []
        self._row_parts = self._bad_parts = 0
        self.rows_in = self.accepted = self.quarantined = 0

    def add(self, chunk: Chunk, rows: pa.Table, good: pa.Array, rejects: Sequence[Reject]) -> None:
        """Take the good rows of a chunk, whose numbers in it are ``good``, and the rejects."""
        self.rows_in += rows.num_rows + len(rejects)
        self.accepted += rows.num_rows
        self.quarantined += len(rejects)
        self._bad += rejects
        if rows.num_rows:
            raw = _raw_table(chunk)
            raw = raw if len(good) == raw.num_rows else raw.take(good)
            if self._raw and self._raw[0].schema != raw.schema:
                self._flush_rows()
            self._rows.append(rows)
            self._raw.append(raw)
        if sum(part.num_rows for part in self._rows) >= self._limit:
            self._flush_rows()
        if len(self._bad) >= self._limit:
            self._flush_bad()

    def flush(self) -> None:
        self._flush_rows()
        self._flush_bad()

    def _flush_rows(self) -> None:
        if self._rows:
            name = f"{self._row_parts:05d}"
            self._staging.write(f"rows-{name}", pa.concat_tables(self._rows))
            self._staging.write(f"raw-{name}", pa.concat_tables(self._raw))
            self._row_parts += 1
            self._rows, self._raw = [], []

    def _flush_bad(self) -> None:
        if self._bad:
            self._staging.write(f"bad-0-rows-{self._bad_parts:05d}", bad_table(self._bad))
            self._bad_parts += 1
            self._bad = []


def _raw_table(chunk: Chunk) -> pa.Table:
    raw = chunk.columns if chunk.texts is None else pa.table({_TEXT: chunk.texts})
    files = pa.repeat(pa.scalar(chunk.file, pa.string()), raw.num_rows)
    return raw.append_column(_FILE, files).append_column(_LINE, chunk.lines)


class StagedRows:
    """Reads the good rows of a staged batch, numbered from 0 through all parts, and takes some out."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._names = staging.parts("rows")
        self._starts = [0, *accumulate(staging.rows(name) for name in self._names)]
        dropped = [staging.read(name).column("row").to_numpy() for name in staging.parts("dropped")]
        self._dropped = np.unique(np.concatenate([np.empty(0, np.int64), *dropped]))

    @property
    def count(self) -> int:
        return self._starts[-1] - len(self._dropped)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[tuple[pa.Array, pa.Table]]:
        """Yield, part by part, the numbers of the rows that are left, and the rows."""
        for place, name in enumerate(self._names):
            rows = self._staging.read(name, columns)
            numbers = np.arange(self._starts[place], self._starts[place + 1])
            keep = ~np.isin(numbers, self._dropped, assume_unique=True)
            if keep.all():
                yield pa.array(numbers), rows
            elif keep.any():
                yield pa.array(numbers[keep]), rows.filter(pa.array(keep))

    def drop(self, problems: Mapping[int, Sequence[Problem]], *, step: str) -> None:
        """Take rows out, by number, and stage them for the quarantine; ``step`` names the look that found them."""
        self._staging.clear(prefix=f"bad-{step}-")
        self._staging.clear(prefix=f"dropped-{step}-")
        if not problems:
            return
        for place, numbers in self._by_part(sorted(problems)):
            rejects = self._rejects(place, numbers, problems)
            self._staging.write(f"bad-{step}-{place:05d}", bad_table(rejects))
        gone = np.array(sorted(problems), dtype=np.int64)
        self._staging.write(f"dropped-{step}-0", pa.table({"row": gone}))
        self._dropped = np.union1d(self._dropped, gone)

    def places(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return where rows stood, in words, by number."""
        found: dict[int, str] = {}
        for place, members in self._by_part(sorted(numbers)):
            raw = self._staging.read(self._raw_name(place), [_FILE, _LINE]).take(self._local(place, members))
            for number, record in zip(members, raw.to_pylist(), strict=True):
                file, line = record[_FILE], record[_LINE]
                found[number] = f"line {line} of {file}" if file is not None else "another row"
        return found

    def _by_part(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
        for place in range(len(self._names)):
            begin = bisect.bisect_left(numbers, self._starts[place])
            end = bisect.bisect_left(numbers, self._starts[place + 1])
            if end > begin:
                yield place, list(numbers[begin:end])

    def _local(self, place: int, numbers: Sequence[int]) -> pa.Array:
        return pa.array([number - self._starts[place] for number in numbers], pa.int64())

    def _raw_name(self, place: int) -> str:
        return self._names[place].replace("rows", "raw", 1)

    def _rejects(self, place: int, numbers: list[int], problems: Mapping[int, Sequence[Problem]]) -> list[Reject]:
        local = self._local(place, numbers)
        raws = self._staging.read(self._raw_name(place)).take(local).to_pylist()
        rows = self._staging.read(self._names[place]).take(local).to_pylist()
        return [_reject(raw, row, problems[number]) for raw, row, number in zip(raws, rows, numbers, strict=True)]


def _reject(raw: dict[str, Any], row: Mapping[str, Any], problems: Sequence[Problem]) -> Reject:
    file, line = raw.pop(_FILE), raw.pop(_LINE)
    text = raw.pop(_TEXT, None)
    first = problems[0]
    reason = " ".join(problem.reason for problem in problems)
    record = record_json(raw) if text is None else text
    value = value_in({**row, **raw}, text, first.column)
    return Reject(file, line, record, reason, first.rule, first.column, value)
