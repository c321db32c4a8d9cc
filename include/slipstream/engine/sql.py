"""Run a definition's SELECT on Arrow data, and say what it would give without running it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from slipstream.engine.connection import connect
from slipstream.engine.statement import choose_parameters, only_select, refuse_unrepeatable
from slipstream.errors import DefinitionError, FatalError, ServiceError, SlipstreamError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.dataset as ds

    from slipstream.settings import Settings

    Rows: TypeAlias = pa.Table | ds.Dataset | pa.RecordBatchReader

BATCH_ROWS = 131_072
_WIDE = ("HUGEINT", "UHUGEINT")
_UNREADABLE = ("IO Error:", "IOError:", "OSError:", "HTTP Error:")
_DUCKDB_KIND = re.compile(r"[A-Z][\w ]* Error: ")


def query(
    sql: str,
    *,
    tables: Mapping[str, Rows],
    params: Mapping[str, Any] | None = None,
    settings: Settings,
    threads: int = 1,
) -> pa.Table:
    """Run one SELECT over ``tables`` and return all its rows; see `stream` for what it may do and give."""
    with stream(sql, tables=tables, params=params, settings=settings, threads=threads) as reader:
        return reader.read_all()


@contextmanager
def stream(
    sql: str,
    *,
    tables: Mapping[str, Rows],
    params: Mapping[str, Any] | None = None,
    settings: Settings,
    threads: int = 1,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatchReader]:
    """Run one SELECT over ``tables`` and give its rows in batches, while the ``with`` block lasts.

    A TIMESTAMP WITH TIME ZONE comes back as ``timestamp[us, UTC]``; one without zone stays without, for the caller to
    refuse. HUGEINT, the type of a sum of integers, comes back as int64.

    Args:
        sql: One SELECT in DuckDB's dialect. It sees ``tables`` by name, and no file, clock or random number.
        tables: A RecordBatchReader can be read by the SQL only once. A Dataset is read as far as the SQL asks.
        params: Values for ``$name`` in the SQL; times are aware and become TIMESTAMP WITH TIME ZONE.
        settings: Memory limit and spill folder.
        threads: With more than one, sums of floats differ in their last bits from run to run, and with them the
            digest of the rows. Leave it where rows are to be stored.
        batch_rows: Rows of a batch, at most about.

    Raises:
        DefinitionError: The SQL is not one repeatable SELECT, does not bind, or fails on a value.
        FatalError: The SQL needs more memory than it may take, or more disk than there is to spill.
        ServiceError: The rows of a table could not be read.
    """
    with open_session(settings, threads=threads) as session:
        yield session.stream(sql, tables=tables, params=params, batch_rows=batch_rows)


@contextmanager
def open_session(settings: Settings, *, threads: int = 1) -> Iterator[Session]:
    """Open one DuckDB for any number of statements: opening one takes longer than most of them."""
    with connect(settings, threads=threads, preserve_order=threads == 1) as connection:
        yield Session(connection, settings)


class Session:
    """One DuckDB, on which statements run one after another; each sees its own tables and nothing of the others."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._registered: set[str] = set()

    def stream(
        self,
        sql: str,
        *,
        tables: Mapping[str, Rows],
        params: Mapping[str, Any] | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> pa.RecordBatchReader:
        """Give the rows of one SELECT, to be read to their end before the next statement; see `stream`."""
        import pyarrow as pa

        for name in self._registered - set(tables):
            self._connection.unregister(name)
        self._registered = set(tables)
        with _explained(self._settings):
            reader = _bind(self._connection, sql, tables, params or {}).to_arrow_reader(batch_rows)
        return pa.RecordBatchReader.from_batches(reader.schema, _batches(reader, self._settings))


def describe(
    sql: str, *, schemas: Mapping[str, pa.Schema], params: Mapping[str, Any] | None = None, settings: Settings
) -> pa.Schema:
    """Return the columns that a SELECT would give over tables of these ``schemas``, without any rows.

    Raises:
        DefinitionError: As `stream` does; the message is DuckDB's, with the line and the nearest valid name.
    """
    tables = {name: schema.empty_table() for name, schema in schemas.items()}
    with connect(settings, threads=1) as connection, _explained(settings):
        return _bind(connection, sql, tables, params or {}).limit(0).to_arrow_table().schema


def _bind(
    connection: duckdb.DuckDBPyConnection, sql: str, tables: Mapping[str, Rows], params: Mapping[str, Any]
) -> duckdb.DuckDBPyRelation:
    statement = only_select(connection, sql)
    values = choose_parameters(statement, params)
    refuse_unrepeatable(connection, sql, columns={name for rows in tables.values() for name in rows.schema.names})
    for name, rows in tables.items():
        connection.register(name, rows)
    relation = connection.sql(statement, params=values) if values else connection.sql(statement)
    _refuse_duplicates(relation.columns)
    wide = [name for name, kind in zip(relation.columns, relation.types, strict=True) if str(kind) in _WIDE]
    if not wide:
        return relation
    casts = ", ".join(f"CAST({quoted} AS BIGINT) AS {quoted}" for quoted in map(_quote, wide))
    return relation.project(f"* REPLACE ({casts})")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refuse_duplicates(columns: list[str]) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        message = f"The SQL gives the columns {', '.join(twice)} more than once. Name each with AS."
        raise DefinitionError(message)


def _batches(reader: pa.RecordBatchReader, settings: Settings) -> Iterator[pa.RecordBatch]:
    while True:
        with _explained(settings):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
        yield batch


@contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    """Turn what DuckDB raises, directly or through an Arrow reader, into errors of ours."""
    import duckdb
    import pyarrow as pa

    try:
        yield
    except SlipstreamError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _translate(error, settings) from error


def _translate(error: Exception, settings: Settings) -> SlipstreamError:
    import duckdb

    text = str(error).strip()
    if isinstance(error, (duckdb.OutOfMemoryException, MemoryError)) or "Out of Memory Error" in text:
        message = (
            f"The SQL needs more than it may take: {settings.memory_limit:,} bytes of memory, and what is free under "
            f"{settings.spill} to spill. Raise SLIPSTREAM_MEMORY_LIMIT, free disk, or have it read fewer rows. "
            f"DuckDB: {text.splitlines()[0]}"
        )
        return FatalError(message)
    # An Arrow reader raises OSError for whatever DuckDB says, so what kind of error it is stands in the text only.
    outside = isinstance(error, OSError) and not _DUCKDB_KIND.match(text)
    if outside or any(mark in text for mark in _UNREADABLE):
        return ServiceError(f"The rows that the SQL reads could not be read. {text}")
    return DefinitionError(f"The SQL does not work. {text}")
