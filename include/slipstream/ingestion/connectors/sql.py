"""The sql connector: a SELECT with the interval's bounds as bound parameters, read in chunks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa

from slipstream.definitions import Source
from slipstream.definitions.source import SqlConnector
from slipstream.errors import ServiceError, SettingsError
from slipstream.ingestion.casting import check_types
from slipstream.ingestion.connectors.chunk import Chunk
from slipstream.ingestion.connectors.header import check_columns
from slipstream.intervals import Interval
from slipstream.secrecy import without_logins
from slipstream.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

Resolver = Callable[[str], str]
_SCHEMES = {"postgres": "postgresql", "mysql": "mysql+pymysql"}
_resolvers: list[Resolver] = []


def set_connection_resolver(resolve: Resolver | None) -> None:
    """Have connection ids turned into SQLAlchemy URLs by ``resolve``, asked before the environment.

    Airflow's plugin gives one that asks Airflow's connections. It raises KeyError for an id that it does not know.
    """
    _resolvers[:] = [resolve] if resolve else []


def connection_url(name: str) -> str:
    """Return the SQLAlchemy URL of a connection; never show it, it may hold a password.

    Looks at the resolver, then at the environment variables ``name`` and ``AIRFLOW_CONN_<NAME>``.

    Raises:
        SettingsError: None of them knows it.
    """
    for resolve in _resolvers:
        try:
            return resolve(name)
        except KeyError:
            continue
    variables = (name, f"AIRFLOW_CONN_{name.upper()}")
    for variable in variables:
        if value := os.environ.get(variable):
            return _sqlalchemy_url(value, variable)
    message = (
        f"No connection {name!r} is known. Set the environment variable {variables[0]} to a SQLAlchemy URL, or make an "
        f"Airflow connection of that id (for example by {variables[1]})."
    )
    raise SettingsError(message)


def _sqlalchemy_url(value: str, variable: str) -> str:
    scheme = urlsplit(value).scheme
    if not scheme or value.lstrip().startswith("{"):
        message = f"{variable} does not hold a URL such as postgresql+psycopg2://user:password@host/database."
        raise SettingsError(message)
    return _SCHEMES.get(scheme, scheme) + value[len(scheme) :]


class SqlBatch:
    """The rows that a query gives for an interval."""

    files: tuple[str, ...] = ()

    def __init__(self, source: Source, connector: SqlConnector, interval: Interval, settings: Settings) -> None:
        self._source, self._connector, self._interval, self._settings = source, connector, interval, settings
        self.ignored: tuple[str, ...] = ()

    @property
    def _query(self) -> str:
        query = self._connector.query
        return self._source.text(query) if query.endswith(".sql") else query

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows as the database streams them.

        Raises:
            BatchRejectedError: The query gives other columns or types than the source.
            ServiceError: The database does not answer, or refuses the query.
        """
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import NullPool

        url = connection_url(self._connector.connection)
        try:
            make_url(url)
        except (SQLAlchemyError, ValueError):  # what it says quotes parts of the address, which may be the password's
            message = (
                f"The connection {self._connector.connection!r} of source {self._source.name!r} is no SQLAlchemy URL. "
                "Write driver://user:password@host:port/database, with / : @ % of the password as %2F %3A %40 %25."
            )
            raise SettingsError(message) from None
        try:
            engine = create_engine(url, poolclass=NullPool)
            with engine.connect() as connection:
                yield from self._rows(connection)
        except (SQLAlchemyError, ImportError) as error:
            reason = without_logins(str(getattr(error, "orig", None) or error).replace(url, "…"))
            message = (
                f"The connection {self._connector.connection!r} of source {self._source.name!r} did not give its rows: "
                f"{reason}. Look at the connection and at connector.query."
            )
            raise ServiceError(message) from None

    def confirm(self) -> None:
        """A query sees one snapshot; there is nothing to confirm."""

    def _rows(self, connection: Connection) -> Iterator[Chunk]:
        from sqlalchemy import text

        query = text(self._query)
        bounds = {"start": self._interval.start, "end": self._interval.end}
        wanted = {name: bounds[name] for name in query._bindparams if name in bounds}
        rows = self._settings.chunk_rows
        result = connection.execution_options(stream_results=True, max_row_buffer=rows).execute(query, wanted)
        names = list(result.keys())
        place = f"The query of source {self._source.name!r}"
        self.ignored = check_columns(names, self._source, file=place)
        for part in result.partitions(rows):
            table = to_arrow(names, part)
            check_types(table.schema, self._source, place=place, text=True)
            yield Chunk(None, pa.nulls(table.num_rows, pa.int64()), table)


def to_arrow(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Return rows of Python values as Arrow; a column that has no one Arrow type comes as text."""
    return pa.table({name: _array([row[place] for row in rows]) for place, name in enumerate(names)})


def _array(values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        array = None
    if array is None or pa.types.is_nested(array.type) or isinstance(array, pa.ExtensionArray):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return array
