"""What SQL a definition may hold: one SELECT that gives the same rows each time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    import duckdb

# What gives other values each time is asked of DuckDB, since the list grows; of it, these are harmless.
_HARMLESS = frozenset({"error", "stats", "vector_type"})
# The functions of everyday SQL, of which DuckDB need not be asked each time: its whole list takes 20 ms to read.
_STEADY_NAMES = """
!= % * + - / // < <= <> = > >= || ~~ !~~ abs any_value arg_max arg_min avg bool_and bool_or ceil concat contains cos
count count_star date_diff date_part date_trunc datediff datepart datetrunc day dayofweek dayofyear epoch exp first
floor generate_series greatest hash hour isodow lag last lead least length ln log lower max md5 median min minute mod
month pow power quantile_cont quarter range rank replace round row_number second sign sin sqrt starts_with stddev
strftime strptime substring sum timezone trim unnest upper var_samp week year
"""
_STEADY = frozenset(_STEADY_NAMES.split())
# SQL's clock words without parentheses reach the parser as columns.
_CLOCK_WORDS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})

# Kept for the life of the process, whose DuckDB is one: what changes, and statements that were found repeatable.
_changing: list[frozenset[str]] = []
_passed: deque[tuple[str, frozenset[str]]] = deque(maxlen=256)


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
    names = frozenset(name.lower() for name in columns)
    if (sql, names) in _passed:
        return
    tree = json.loads(connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0])
    if tree.get("error", True):
        return  # the binder says it better
    unknown = {function for function in _functions(tree) if function not in _STEADY}
    changing = _changing_functions(connection) if unknown else frozenset()
    found = sorted(set(_unrepeatable(tree, changing, names)))
    if found:
        message = (
            f"The SQL must give the same rows each time it runs, but uses {', '.join(found)}. "
            "Use $interval_start and $interval_end for time, and a hash of the key for sampling."
        )
        raise DefinitionError(message)
    _passed.append((sql, names))


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
    if not _changing:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
        )
        _changing.append(frozenset(name for (name,) in rows.fetchall()) - _HARMLESS)
    return _changing[0]


def _functions(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _functions(item)
    elif isinstance(node, dict):
        if node.get("function_name"):
            yield str(node["function_name"]).lower()
        for value in node.values():
            yield from _functions(value)


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
