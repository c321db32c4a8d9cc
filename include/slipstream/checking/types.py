"""Which Arrow types fit which declared ones."""

from __future__ import annotations

import pyarrow as pa

from slipstream.definitions.source import TYPES


def fits(found: pa.DataType, declared: pa.DataType) -> bool:
    """Tell whether values of ``found`` always become ``declared`` without a loss that anybody would mind."""
    family = family_of(found)
    if pa.types.is_null(found) or family == family_of(declared):
        return True
    return (family, family_of(declared)) in {("integer", "number"), ("date", "timestamp"), ("bool", "integer")}


def family_of(kind: pa.DataType) -> str:
    """Return the family in which types join and cast freely; a timestamp without zone is a family of its own."""
    checks = {
        "integer": pa.types.is_integer,
        "number": lambda each: pa.types.is_floating(each) or pa.types.is_decimal(each),
        "bool": pa.types.is_boolean,
        "date": pa.types.is_date,
        "string": lambda each: (
            pa.types.is_string(each)
            or pa.types.is_large_string(each)
            or pa.types.is_string_view(each)
            or (pa.types.is_dictionary(each) and pa.types.is_string(each.value_type))
        ),
        "timestamp": lambda each: pa.types.is_timestamp(each) and each.tz is not None,
    }
    return next((name for name, check in checks.items() if check(kind)), str(kind))


def spelled(kind: pa.DataType) -> str:
    """Return the name that YAML has for a type, or Arrow's where it has none."""
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp without time zone"
    return next((name for name, each in TYPES.items() if each == kind), str(kind))
