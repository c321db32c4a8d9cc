"""A source's expectations, run by Great Expectations on pandas batches that hold only the columns they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from slipstream.definitions import Expectation, Source
from slipstream.errors import BatchRejectedError, DefinitionError
from slipstream.ingestion import greatexpectations as gx
from slipstream.ingestion.rows import Problem, Problems

if TYPE_CHECKING:
    import pandas as pd

# Row expectations that look at other rows too; all others may be run part by part.
_WHOLE = frozenset(
    {
        "expect_column_values_to_be_unique",
        "expect_compound_columns_to_be_unique",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_decreasing",
    }
)
_COUNTS = frozenset({"expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"})
SHOWN = 5


@dataclass(frozen=True)
class Clause:
    """One expectation of a contract, ready to run."""

    number: int
    source: Source
    expectation: Expectation

    @property
    def type(self) -> str:
        return self.expectation.type

    @property
    def kwargs(self) -> dict[str, Any]:
        return {key: self._moment(value) for key, value in self.expectation.kwargs.items()}

    def _moment(self, value: Any) -> Any:
        """YAML reads 2013-01-01 as a day; a timestamp column wants a moment, in UTC."""
        kinds = {self.source.columns[name].type for name in self.columns if name in self.source.columns}
        if "timestamp" not in kinds or not isinstance(value, date):
            return value
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        given = self.expectation.kwargs
        named = [given[key] for key in ("column", "column_A", "column_B") if isinstance(given.get(key), str)]
        listed = (
            given.get("column_list")
            if self.type.startswith(("expect_multicolumn", "expect_select", "expect_compound"))
            else None
        )
        return (*named, *(listed or ()))

    @property
    def wants(self) -> tuple[str, ...]:
        """The columns that it must be given; rows are counted by a column that is short."""
        everything = tuple(self.source.table_schema.names)
        if "row_condition" in self.expectation.kwargs:
            return everything
        return self.columns or (("known_at",) if self.type in _COUNTS else everything)

    @property
    def by_row(self) -> bool:
        """Whether each row is judged by itself, so that parts of a batch may be judged one after another."""
        given = self.expectation.kwargs
        return self.type not in _WHOLE and given.get("mostly", 1) == 1 and "row_condition" not in given

    def problem(self) -> Problem:
        told = self.expectation.reason or gx.describe(self.type, self.expectation.kwargs)
        return Problem(", ".join(self.columns) or None, told, self.type)


class Contract:
    """The expectations of a source.

    Raises:
        DefinitionError: GX does not know an expectation or its arguments, or one cannot quarantine rows.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        clauses = [Clause(number, source, one) for number, one in enumerate(source.contract.expectations)]
        problems = [f"expectations.{clause.number}: {problem}" for clause in clauses if (problem := _fault(clause))]
        if problems:
            listed = "\n".join(f"  {problem}" for problem in problems)
            message = f"The contract of source {source.name!r} cannot be run:\n{listed}\nMend its expectations.yaml."
            raise DefinitionError(message)
        self.halting = [clause for clause in clauses if clause.expectation.on_failure == "halt"]
        row = [clause for clause in clauses if clause.expectation.on_failure == "quarantine"]
        self.by_row = [clause for clause in row if clause.by_row]
        self.by_batch = [clause for clause in row if not clause.by_row]

    def faults(self, clauses: Sequence[Clause], rows: pa.Table) -> dict[int, list[Problem]]:
        """Return the problems of the rows that break one of the clauses, by row number."""
        found = Problems()
        if not clauses or not rows.num_rows:
            return found.by_row
        for clause, result in self._run(clauses, rows):
            if not result.success:
                for row in result.rows:
                    found.add(row, clause.problem())
        return found.by_row

    def halt(self, rows: pa.Table) -> list[dict[str, Any]]:
        """Judge a whole batch; return what each halting expectation observed.

        Raises:
            BatchRejectedError: One of them fails.
        """
        seen, broken = [], []
        for clause, result in self._run(self.halting, rows):
            seen.append(
                {"expectation": clause.type, "kwargs": dict(clause.expectation.kwargs), "observed": result.observed}
            )
            if not result.success:
                wanted = gx.describe(clause.type, clause.expectation.kwargs)
                why = f" ({clause.expectation.reason})" if clause.expectation.reason else ""
                broken.append(f"{wanted}; observed {self._told(clause, result.observed)}.{why}")
        if broken:
            listed = "\n".join(f"  {line}" for line in broken)
            message = (
                f"The batch of source {self._source.name!r} breaks its contract; nothing was published:\n{listed}\n"
                "Have it sent again; or, if the batch is right, change expectations.yaml and run the interval again."
            )
            raise BatchRejectedError(message)
        return seen

    def _told(self, clause: Clause, observed: Any) -> Any:
        """Return what was observed, for an error that many may read; what was observed of people is not told."""
        columns = self._source.columns
        personal = any(columns[name].personal for name in clause.columns if name in columns)
        return "something that is not told, since the column is personal" if personal else observed

    def wants(self, clauses: Sequence[Clause]) -> list[str]:
        """Return the columns that the clauses must be given, in the table's order."""
        wanted = {name for clause in clauses for name in clause.wants}
        return [name for name in self._source.table_schema.names if name in wanted]

    def _run(self, clauses: Sequence[Clause], rows: pa.Table) -> Iterator[tuple[Clause, gx.Result]]:
        if not clauses:
            return
        frame = to_pandas(rows.select(self.wants(clauses)))
        results = gx.run([(clause.type, clause.kwargs) for clause in clauses], frame)
        for clause, result in zip(clauses, results, strict=True):
            if result.error:
                message = (
                    f"The expectation {clause.type} of source {self._source.name!r} cannot be evaluated: "
                    f"{result.error}. Mend its arguments in expectations.yaml."
                )
                raise DefinitionError(message)
            yield clause, result


def contract_problems(source: Source) -> list[tuple[int, str]]:
    """Return what is wrong with a source's expectations, as (number in the file from 0, what is wrong)."""
    clauses = [Clause(number, source, one) for number, one in enumerate(source.contract.expectations)]
    return [(clause.number, problem) for clause in clauses if (problem := _fault(clause))]


def _fault(clause: Clause) -> str | None:
    known = clause.source.table_schema.names
    unknown = [name for name in clause.columns if name not in known]
    if unknown:
        from slipstream.definitions.problem import nearest

        close = nearest(unknown[0], known)
        hint = f" Did you mean {close!r}?" if close else ""
        return f"{clause.type}: there is no column {unknown[0]!r}; there are {', '.join(known)}.{hint}"
    return gx.fault(clause.type, clause.kwargs, by_row=clause.expectation.on_failure == "quarantine")


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """Return rows as pandas with integers kept exact where some are null."""
    frame: pd.DataFrame = rows.to_pandas(integer_object_nulls=True, date_as_object=True, split_blocks=True)
    return frame
