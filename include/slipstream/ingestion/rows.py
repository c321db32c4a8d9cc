"""From raw rows to rows of ``raw/<source>``: cast, timed, and rid of those that break a rule of the source itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from slipstream.definitions import Source
from slipstream.definitions.source import TIME
from slipstream.ingestion.casting import cast_column
from slipstream.ingestion.connectors.chunk import Chunk, Reject, record_json, spell
from slipstream.ingestion.connectors.json_lines import read_object
from slipstream.intervals import Interval, iso


@dataclass(frozen=True)
class Problem:
    """Why a row goes to quarantine."""

    column: str | None
    reason: str
    rule: str


@dataclass
class Problems:
    """The problems of some rows, by row number, in the order in which they were found."""

    by_row: dict[int, list[Problem]] = field(default_factory=dict)

    def add(self, row: int, problem: Problem) -> None:
        self.by_row.setdefault(row, []).append(problem)

    def add_where(self, mask: pa.Array, problem: Problem) -> None:
        for row in pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist():
            self.add(row, problem)


@dataclass(frozen=True)
class Shaped:
    """Rows of ``source.table_schema`` (all of a chunk, good and bad), and the problems of the bad ones."""

    rows: pa.Table
    problems: Mapping[int, list[Problem]]

    @property
    def good(self) -> pa.Array:
        """The numbers of the rows without problems."""
        bad = pa.array(sorted(self.problems), pa.int64())
        every = pa.array(range(self.rows.num_rows), pa.int64())
        return every.filter(pc.invert(pc.is_in(every, value_set=bad))) if self.problems else every


def shape(columns: pa.Table, source: Source, interval: Interval) -> Shaped:
    """Cast raw columns to the declared types, add ``event_time`` and ``known_at``, and look for broken rules.

    The rules: a value casts; a required column, the key and both times have a value; where ``known_at`` is a column,
    it lies within the interval, since a batch holds what became known in it.
    """
    count, problems = columns.num_rows, Problems()
    cast: dict[str, pa.Array] = {}
    for name, column in source.columns.items():
        raw = columns.column(name).combine_chunks() if name in columns.column_names else pa.nulls(count)
        values, faults = _cast(raw, name, source)
        cast[name] = values
        for row, reason in faults.items():
            problems.add(row, Problem(name, reason, "type"))
        if column.required or name in source.key or name in (source.event_time, source.known_at):
            _require(values, faults, name, source, problems)
    times = {"event_time": source.event_time, "known_at": source.known_at}
    for name, origin in times.items():
        moment = {"interval_start": interval.start, "interval_end": interval.end}.get(origin)
        if name not in cast:
            cast[name] = cast[origin] if moment is None else pa.repeat(pa.scalar(moment, TIME), count)
    if source.known_at in source.columns:
        _within(cast["known_at"], source.known_at, interval, problems)
    return Shaped(pa.table(cast, schema=source.table_schema), problems.by_row)


def _cast(raw: pa.Array, name: str, source: Source) -> tuple[pa.Array, dict[int, str]]:
    if isinstance(raw, pa.ChunkedArray):
        raw = raw.combine_chunks()
    cast = cast_column(raw, name, source.columns[name])
    return cast.values, cast.problems


def _require(values: pa.Array, faults: Mapping[int, str], name: str, source: Source, problems: Problems) -> None:
    if not values.null_count:
        return
    what, rule = ("part of the key", "key") if name in source.key else ("required", "required")
    if name in (source.event_time, source.known_at) and rule == "required" and not source.columns[name].required:
        what = "the row's time"
    for row in pc.indices_nonzero(pc.is_null(values)).to_pylist():
        if row not in faults:
            problems.add(row, Problem(name, f"{name} has no value, but is {what}.", rule))


def _within(values: pa.Array, name: str, interval: Interval, problems: Problems) -> None:
    start, end = pa.scalar(interval.start, TIME), pa.scalar(interval.end, TIME)
    outside = pc.or_(pc.less(values, start), pc.greater_equal(values, end))
    if not pc.any(outside).as_py():
        return
    for row in pc.indices_nonzero(pc.fill_null(outside, False)).to_pylist():
        found = iso(values[row].as_py())
        reason = (
            f"{name} is {found}, outside of the batch's interval {interval}; a batch holds what became known in it."
        )
        problems.add(row, Problem(name, reason, "interval"))


def value_in(record: Mapping[str, Any], text: str | None, column: str | None) -> str | None:
    """Return the value of a column as it stood: in the record's text, where there is one, or in the record."""
    if text is not None:
        record = read_object(text)
    values = [spell(record.get(name)) for name in (column or "").split(", ")]
    return values[0] if len(values) == 1 else ", ".join(value or "null" for value in values)


def reject_rows(chunk: Chunk, problems: Mapping[int, Iterable[Problem]]) -> list[Reject]:
    """Return the quarantine records of a chunk's rows that have problems, with their raw records."""
    if not problems:
        return []
    numbers = pa.array(sorted(problems), pa.int64())
    records = chunk.columns.take(numbers).to_pylist()
    texts = chunk.texts.take(numbers).to_pylist() if chunk.texts is not None else [None] * len(records)
    lines = chunk.lines.take(numbers).to_pylist()
    rejects = []
    for row, record, text, line in zip(numbers.to_pylist(), records, texts, lines, strict=True):
        found = list(problems[row])
        first = found[0]
        value = value_in(record, text, first.column)
        reason = " ".join(problem.reason for problem in found)
        raw = record_json(record) if text is None else text
        rejects.append(Reject(chunk.file, line, raw, reason, first.rule, first.column, value))
    return rejects
