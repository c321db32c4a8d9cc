"""What a definition's SQL would give, and every unknown name in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from slipstream.checking.findings import Findings, line_of_word, readable
from slipstream.errors import SlipstreamError

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Model, View
    from slipstream.settings import Settings

_PARAMS = {"interval_start": datetime(2013, 1, 1, tzinfo=UTC), "interval_end": datetime(2013, 1, 2, tzinfo=UTC)}
_MOST = 25

# DuckDB stops at the first name that it does not know. To find the others, the name is given to the tables and the
# SQL bound again, as long as what it then minds is one more unknown name.
_COLUMN = (
    re.compile(r'Referenced column "(?P<name>[^"]+)" not found'),
    re.compile(r'(?:Values list|Table) "(?P<table>[^"]+)" does not have a column named "(?P<name>[^"]+)"'),
    re.compile(r'Column "(?P<name>[^"]+)" (?:does not exist on|in \w+ list not found)'),
)
_TABLE = re.compile(r'Table with name "?(?P<name>[^\s"!]+)"? does not exist')
_ALIAS = re.compile(r'Referenced table "(?P<name>[^"]+)" not found')
_FUNCTION = re.compile(r'Function with name "?(?P<name>[^\s"!]+)"? does not exist')
_PARAMETER = re.compile(r"uses the parameters (?P<name>.+?); it may use (?P<allowed>[^.]+)")
_HINTS = re.compile(r"(?:Candidate (?:bindings|tables|Entries): |Did you mean )(?P<names>.*)")


@dataclass(frozen=True)
class Statement:
    """One SQL file, the key that names it, and the tables that it reads by alias."""

    definition: View | Model
    file: str
    path: tuple[str, ...]
    tables: Mapping[str, pa.Schema]
    guessed: bool = False


@dataclass(frozen=True)
class _Unknown:
    what: str
    name: str
    table: str | None
    message: str
    allowed: tuple[str, ...]


def bind(statement: Statement, findings: Findings, settings: Settings) -> pa.Schema | None:
    """Return the columns that the SQL gives; None, and its problems in ``findings``, where it does not work.

    Where the tables themselves were ``guessed`` only unknown names count: the rest may come of the guess.
    """
    sql = readable(findings, statement.definition, statement.file, statement.path)
    if sql is None:
        return None
    tables = dict(statement.tables)
    met: set[tuple[str, str, str | None]] = set()
    for _ in range(_MOST):
        schema, error = _describe(sql, tables, settings)
        if error is None:
            return None if met else schema
        unknown = _unknown_name(error, statement.tables)
        if unknown is None:
            if not met and not statement.guessed:
                _add_error(error, statement, sql, findings)
            return None
        again = (unknown.what, unknown.name, unknown.table) in met
        wider = _with(tables, unknown, everywhere=again)
        if again:
            if wider == tables:
                return None
            tables = wider
            continue
        met.add((unknown.what, unknown.name, unknown.table))
        line = line_of_word(sql, unknown.name)
        findings.add_text(
            statement.definition,
            statement.file,
            statement.path,
            unknown.message,
            line=line,
            found=unknown.name,
            allowed=unknown.allowed,
        )
        tables = wider
    return None


def _describe(sql: str, tables: Mapping[str, pa.Schema], settings: Settings) -> tuple[pa.Schema | None, str | None]:
    from slipstream.engine import describe

    try:
        return describe(sql, schemas=tables, params=_PARAMS, settings=settings), None
    except SlipstreamError as error:
        return None, str(error)


def _unknown_name(error: str, tables: Mapping[str, pa.Schema]) -> _Unknown | None:
    hints = tuple(re.findall(r'"([^"]+)"', " ".join(match["names"] for match in _HINTS.finditer(error))))
    for pattern in _COLUMN:
        if match := pattern.search(error):
            table = match.groupdict().get("table")
            inputs = [str(table)] if table in tables else list(tables)
            names = sorted({*hints, *(name for alias in inputs for name in tables[alias].names)})
            where = f"{table!r}" if table in tables else "what the SQL reads"
            message = f"There is no column {match['name']!r} in {where}; there are {', '.join(names)}."
            return _Unknown("column", match["name"], table, message, tuple(names))
    if match := _TABLE.search(error) or _ALIAS.search(error):
        names = sorted({*hints, *tables} if _ALIAS.search(error) else tables)
        message = f"There is no table {match['name']!r}; the inputs are {', '.join(names)}."
        return _Unknown("table", match["name"], None, message, tuple(names))
    if match := _FUNCTION.search(error):
        return _Unknown("function", match["name"], None, f"DuckDB has no function {match['name']!r}.", hints)
    if match := _PARAMETER.search(error):
        name = match["name"].split(", ")[0]
        allowed = tuple(match["allowed"].split(", "))
        message = f"There is no parameter {name}; allowed are {match['allowed']}."
        return _Unknown("parameter", name, None, message, allowed)
    return None


def _with(tables: Mapping[str, pa.Schema], unknown: _Unknown, *, everywhere: bool) -> dict[str, pa.Schema]:
    """Return the tables with the unknown name added, in the likeness of the known name that is nearest."""
    import pyarrow as pa

    from slipstream.definitions.problem import nearest

    like = nearest(unknown.name, unknown.allowed)
    if unknown.what == "table":
        return {**tables, unknown.name: tables.get(like or "") or next(iter(tables.values()))}
    if unknown.what != "column":
        return dict(tables)
    kinds = {field.name: field.type for schema in tables.values() for field in schema}
    field = pa.field(unknown.name, kinds.get(like, pa.string()))
    everywhere = everywhere or (unknown.table is not None and unknown.table not in tables)
    targets = list(tables) if everywhere else [unknown.table or next(iter(tables))]
    return {
        alias: schema.append(field) if alias in targets and field.name not in schema.names else schema
        for alias, schema in tables.items()
    }


def _add_error(error: str, statement: Statement, sql: str, findings: Findings) -> None:
    text = error.removeprefix("The SQL does not work. ")
    line = re.search(r"LINE (\d+):", text)
    head: Sequence[Any] = [part.strip() for part in text.split("\n") if part.strip()]
    findings.add_text(
        statement.definition,
        statement.file,
        statement.path,
        f"{head[0] if head else text}",
        line=int(line.group(1)) if line else 1,
    )
