"""What rows look like in the lake: one normal form for each logical type, and how a table's schema may grow."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow as pa

from slipstream.errors import SchemaError

UTC_TIME = pa.timestamp("us", "UTC")
_FORBIDDEN = re.compile(r"[ ,;{}()\n\t=]")
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_WIDER = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64()}
_AS_THEY_ARE = (pa.types.is_signed_integer, pa.types.is_boolean, pa.types.is_float32, pa.types.is_float64)


def normal_type(kind: pa.DataType, *, column: str) -> pa.DataType:  # noqa: C901 - one branch a family of types
    """Return the type that the lake stores for ``kind``; SchemaError where it stores none."""
    if isinstance(kind, pa.BaseExtensionType):
        return normal_type(kind.storage_type, column=column)
    if pa.types.is_dictionary(kind):
        return normal_type(kind.value_type, column=column)
    if any(test(kind) for test in _TEXT):
        return pa.string()
    if any(test(kind) for test in _BINARY):
        return pa.binary()
    if pa.types.is_timestamp(kind):
        return UTC_TIME if kind.tz else pa.timestamp("us")
    if any(test(kind) for test in _LISTS):
        return pa.list_(pa.field("element", normal_type(kind.value_type, column=f"{column}.element")))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, normal_type(f.type, column=f"{column}.{f.name}")) for f in kind])
    if pa.types.is_map(kind):
        key, item = (normal_type(part, column=column) for part in (kind.key_type, kind.item_type))
        return pa.map_(key, item)
    if kind in _WIDER:
        return _WIDER[kind]
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_null(kind) or any(test(kind) for test in _AS_THEY_ARE):
        return kind
    message = (
        f"Column {column!r} has the type {kind}, which the lake cannot store. "
        "Wanted a number, text, bytes, boolean, date, timestamp, or lists and structs of these; cast it before writing."
    )
    raise SchemaError(message)


def normal_schema(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` with every column nullable, in the lake's types and without metadata."""
    return pa.schema([pa.field(f.name, normal_type(f.type, column=f.name)) for f in schema])


def normalise(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cast a batch to ``schema``, which has the same columns in the same order; SchemaError where a value is lost."""
    if batch.schema.equals(schema):
        return batch
    columns = [_cast(batch.column(index), field) for index, field in enumerate(schema)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(values: pa.Array, field: pa.Field) -> pa.Array:
    if values.type.equals(field.type):
        return values
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    try:
        return values.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = (
            f"Column {field.name!r} holds {values.type} values that do not fit {field.type}, which the lake stores: "
            f"{error}. Round or cast them before writing."
        )
        raise SchemaError(message) from error


def merge_schemas(table: str, known: pa.Schema | None, found: pa.Schema) -> pa.Schema:
    """Return the schema of a table after rows of ``found`` come in: known columns first, then new ones.

    Raises:
        SchemaError: A column's type changed, a new column has no type, or names clash or cannot be stored.
    """
    _check_names(table, known, found)
    fields = {} if known is None else {field.name: field for field in known}
    for field in found:
        kept = fields.setdefault(field.name, field)
        if pa.types.is_null(kept.type):
            message = (
                f"Column {field.name!r} for table {table!r} holds nothing but nulls and has no type. "
                "Give it one, for example with pyarrow.Table.cast."
            )
            raise SchemaError(message)
        if not pa.types.is_null(field.type) and not kept.type.equals(field.type):
            message = (
                f"Column {field.name!r} of table {table!r} is {kept.type}; found {field.type}. "
                f"Cast it to {kept.type}, or write it under another name."
            )
            raise SchemaError(message)
    return pa.schema(list(fields.values()))


def stored_schema(merged: pa.Schema, found: pa.Schema) -> pa.Schema:
    """Return the schema of ``found`` with the types that the table gives its columns."""
    return pa.schema([merged.field(field.name) for field in found])


def _check_names(table: str, known: pa.Schema | None, found: pa.Schema) -> None:
    if not found.names:
        message = f"Rows for table {table!r} have no columns; wanted at least one."
        raise SchemaError(message)
    names = {*found.names, *(known.names if known is not None else ())}
    twice = [name for name, count in Counter(found.names).items() if count > 1]
    folded = Counter(name.lower() for name in names)
    alike = sorted(name for name in names if folded[name.lower()] > 1)
    if twice or alike:
        message = (
            f"Column names of table {table!r} must differ by more than case; found {sorted({*twice, *alike})}. "
            "Rename one of them."
        )
        raise SchemaError(message)
    bad = sorted(name for name in found.names if not name or _FORBIDDEN.search(name))
    if bad:
        message = (
            f"Column names of table {table!r} may not be empty or hold blanks or any of ,;{{}}()=; found {bad}. "
            "Rename them."
        )
        raise SchemaError(message)
