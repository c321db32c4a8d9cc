"""Rows that SQL gives, brought to the columns, types and promises that their table makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slipstream.definitions.source import TIME
from slipstream.errors import DefinitionError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa


def conform(batch: pa.RecordBatch, schema: pa.Schema, *, where: str) -> pa.RecordBatch:
    """Return ``batch`` with exactly the columns and types of ``schema``.

    Raises:
        DefinitionError: A column is missing, or a time has no zone.
        SchemaError: A value does not fit the declared type.
    """
    import pyarrow as pa

    require_columns(batch.schema, schema.names, where=where)
    columns = []
    for field in schema:
        column = batch.column(field.name)
        if pa.types.is_timestamp(field.type) and pa.types.is_timestamp(column.type) and column.type.tz is None:
            message = (
                f"{where}: the time {field.name!r} has no time zone. Give it one, for example "
                f"timezone('UTC', {field.name}) AS {field.name}."
            )
            raise DefinitionError(message)
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            message = (
                f"{where}: {field.name!r} is declared as {field.type}, but the SQL gives {column.type}: {error}. "
                "Cast it in the SQL, or declare another type."
            )
            raise SchemaError(message) from error
    return pa.record_batch(columns, schema=schema)


def require_columns(found: pa.Schema, wanted: Iterable[str], *, where: str) -> None:
    """Raise DefinitionError unless ``found`` has every wanted column."""
    missing = [name for name in wanted if name not in found.names]
    if missing:
        message = f"{where}: wanted the column(s) {', '.join(missing)}; the SQL gives {', '.join(found.names)}."
        raise DefinitionError(message)


def require_times(batch: pa.RecordBatch, names: Iterable[str], *, where: str) -> None:
    """Raise SchemaError where a time is null: such a row could be placed nowhere."""
    for name in names:
        nulls = batch.column(name).null_count
        if nulls:
            message = f"{where}: {nulls} row(s) have no {name}. Every row needs one; drop such rows in the SQL."
            raise SchemaError(message)


def narrow(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` with the lake's spelling of each type: microseconds in UTC, plain strings."""
    import pyarrow as pa

    def type_of(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            return TIME
        return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind

    return pa.schema([pa.field(field.name, type_of(field.type)) for field in schema])
