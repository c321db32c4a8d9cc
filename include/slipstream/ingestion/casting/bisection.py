"""Casting with Arrow where some values may not cast: find them, keep the rest."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa


def cast_or_null(values: pa.Array, cast: Callable[[pa.Array], pa.Array], kind: pa.DataType) -> pa.Array:
    """Return ``cast(values)``, with null where a value alone makes it fail."""
    try:
        return cast(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(values) == 1:
            return pa.nulls(1, kind)
    half = len(values) // 2
    parts = [cast_or_null(part, cast, kind) for part in (values.slice(0, half), values.slice(half))]
    return pa.concat_arrays(parts)
