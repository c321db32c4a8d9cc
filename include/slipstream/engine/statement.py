"""What SQL a definition may hold: one SELECT that gives the same rows each time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    import duckdb

# What gives other values each time is asked of DuckDB, since the list grows; of it, these are harmless.
_HARMLESS = frozenset({"error", "stats", "vector_type"})
# SQL's clock words without parentheses reach the parser as columns.
_CLOCK_WORDS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})


def only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """Return the one SELECT that ``sql`` holds; DefinitionError where it holds anything else."""
    statements = connection.extract_statements(sql)
    kinds = [str(statement.type).rpartition(".")[2] for statement in statements]
    if kinds != ["SELECT"]:
        found = ", ".join(kinds) or "nothing"
        message = f"The SQL of a definition is one SELECT statement; found {found}. Leave only the SELECT."
        raise DefinitionError(message)
    statement: duckdb.Statement = statements[0]
    return statement


def refuse_unrepeatable(connection: duckdb.DuckDBPyConnection, sql: str, *, columns: Collection[str]) -> None:
    """Raise DefinitionError where ``sql`` reads the clock, draws at random or samples.

    A stage that runs again must give the same rows. ``columns`` are the input columns: one of them may bear the name
    of a clock word.
    """
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error", True):
        return  # the binder says it better
    changing = _changing_functions(connection)
    found = sorted(set(_unrepeatable(tree, changing, {name.lower() for name in columns})))
    if found:
        message = (
            f"The SQL must give the same rows each time it runs, but uses {', '.join(found)}. "
            "Use $interval_start and $interval_end for time, and a hash of the key for sampling."
        )
        raise DefinitionError(message)


def choose_parameters(statement: duckdb.Statement, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return those ``params`` that the statement names, since DuckDB refuses any that it does not.

    DefinitionError where it names others; a time without a zone is refused, since DuckDB would not compare it as UTC.
    """
    wanted = set(statement.named_parameters)
    unknown = sorted(wanted - params.keys())
    if unknown:
        allowed = ", ".join(f"${name}" for name in sorted(params)) or "none"
        message = f"The SQL uses the parameters {', '.join('$' + name for name in unknown)}; it may use {allowed}."
        raise DefinitionError(message)
    for name in sorted(wanted):
        value = params[name]
        if isinstance(value, datetime) and value.tzinfo is None:
            message = f"Parameter ${name} is {value}, a time without a zone. Give it in UTC."
            raise DefinitionError(message)
    return {name: params[name] for name in sorted(wanted)}


def _changing_functions(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    rows = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'")
    return frozenset(name for (name,) in rows.fetchall()) - _HARMLESS


def _unrepeatable(node: Any, changing: Collection[str], columns: Collection[str]) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _unrepeatable(item, changing, columns)
    if not isinstance(node, dict):
        return
    function = str(node.get("function_name", "")).lower()
    if function in changing:
        yield f"{function}()"
    names = node.get("column_names") or [""]
    word = str(names[0]).lower()
    if node.get("class") == "COLUMN_REF" and len(names) == 1 and word in _CLOCK_WORDS and word not in columns:
        yield word
    if node.get("sample"):
        yield "a sample"
    for value in node.values():
        yield from _unrepeatable(value, changing, columns)
