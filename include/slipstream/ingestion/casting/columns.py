"""One column to its declared type."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from slipstream.definitions import Column, Source
from slipstream.errors import BatchRejectedError
from slipstream.ingestion.casting import numbers, times
from slipstream.ingestion.connectors.chunk import spell

_WANTED = {
    "int64": "a whole number between -2^63 and 2^63-1",
    "float64": "a finite number",
    "bool": "true or false",
    "timestamp": "a time such as 2013-01-31T06:00:00Z, no finer than a microsecond",
    "date": "a day such as 2013-01-31",
    "string": "text",
}
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_ALLOWED = {
    "string": _TEXT,
    "int64": _NUMBERS,
    "float64": _NUMBERS,
    "bool": (pa.types.is_boolean,),
    "timestamp": (pa.types.is_timestamp,),
    "date": (pa.types.is_date,),
}


@dataclass(frozen=True)
class Cast:
    """Values of the declared type, and why each row that has a problem has it (row number to reason)."""

    values: pa.Array
    problems: dict[int, str]


def is_text(kind: pa.DataType) -> bool:
    """Say whether a type is text, in any of Arrow's layouts."""
    return any(test(kind) for test in _TEXT)


def cast_column(values: pa.Array, name: str, column: Column) -> Cast:
    """Cast one column; an empty text means null, whatever the type."""
    if pa.types.is_null(values.type):
        return Cast(pa.nulls(len(values), column.arrow), {})
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    found, missing, reasons = _from_text(values, column) if is_text(values.type) else _from_arrow(values, column)
    failed = pc.indices_nonzero(pc.and_(pc.is_null(found), pc.invert(missing))).to_pylist()
    problems = {row: _reason(values, row, name, column, reasons) for row in failed}
    return Cast(found, problems)


def _reason(values: pa.Array, row: int, name: str, column: Column, reasons: pa.Array | None) -> str:
    special = reasons[row].as_py() if reasons is not None else None
    shown = (spell(values[row].as_py()) or "")[:100]
    wanted = f"a time in the format {column.format}" if column.format else _WANTED[column.type]
    return f"{name}: wanted {wanted}, found {shown!r}." if special is None else f"{name}: {shown!r}. {special}"


def _from_text(values: pa.Array, column: Column) -> tuple[pa.Array, pa.Array, pa.Array | None]:
    text = values.cast(pa.string())
    if column.type == "string":
        empty = pc.equal(text, "")
        found = pc.if_else(empty, pa.scalar(None, pa.string()), text) if pc.any(empty).as_py() else text
        return found, pc.is_null(found), None
    text = pc.ascii_trim(text, characters=" \t")
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    missing, reasons = pc.is_null(text), None
    match column.type:
        case "int64":
            found = numbers.text_to_int64(text)
        case "float64":
            found, no_value = numbers.text_to_float64(text)
            missing = pc.or_(missing, no_value)
        case "bool":
            found = numbers.text_to_bool(text)
        case "date":
            found = times.text_to_date(text, format_=column.format)
        case _:
            found, reasons = times.text_to_timestamp(text, timezone=column.timezone, format_=column.format)
            found = times.within_calendar(found)
    return found, missing, reasons


def _from_arrow(values: pa.Array, column: Column) -> tuple[pa.Array, pa.Array, pa.Array | None]:
    missing, reasons = pc.is_null(values, nan_is_null=pa.types.is_floating(values.type)), None
    if pa.types.is_floating(values.type) and missing.true_count:
        values = pc.if_else(missing, pa.scalar(None, values.type), values)
    match column.type:
        case "int64":
            found = numbers.arrow_to_int64(values)
        case "float64":
            found = numbers.arrow_to_float64(values)
        case "timestamp":
            found, reasons = times.arrow_to_timestamp(values, timezone=column.timezone)
            found = times.within_calendar(found)
        case _:
            found = values.cast(column.arrow)
    return found, missing, reasons


def check_types(schema: pa.Schema, source: Source, *, place: str, text: bool) -> None:
    """Compare the Arrow types of a batch with the declared ones.

    Args:
        place: What holds the schema, for the message.
        text: Whether text may stand for any type, as databases and callables give it; a Parquet file knows its types.

    Raises:
        BatchRejectedError: A column has a type that cannot be read as the declared one; names all of them.
    """
    wrong = []
    for name, column in source.columns.items():
        if name not in schema.names:
            continue
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        allowed = (pa.types.is_null, *_ALLOWED[column.type], *(_TEXT if text else ()))
        if not any(test(kind) for test in allowed):
            wrong.append(f"{name}: wanted {column.type}, found {kind}")
    if wrong:
        message = f"{place} has other types than source.yaml declares: {'; '.join(wrong)}. Mend the one that is wrong."
        raise BatchRejectedError(message)
