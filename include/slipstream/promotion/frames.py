"""The one shape in which an estimator sees features: numbers as float64, words as objects with None for missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slipstream.errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NUMBER, WORD = "double", "string"


def feature_kinds(schema: pa.Schema, columns: Sequence[str]) -> dict[str, str]:
    """Return ``double`` or ``string`` for each feature column; SchemaError for a type that estimators do not take."""
    missing = [name for name in columns if name not in schema.names]
    if missing:
        message = f"Wanted the feature columns {list(columns)}, found none of the name(s) {missing}."
        raise SchemaError(message)
    return {name: _kind(name, schema.field(name).type) for name in columns}


def _kind(name: str, kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if number or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return WORD
    message = (
        f"Feature {name} is of type {kind}; an estimator takes numbers, booleans and strings. "
        f"Turn it into one of these in the view's SQL, a time into an age in hours for example."
    )
    raise SchemaError(message)


def model_frame(rows: pa.Table | pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return the feature columns of ``rows`` in the order of ``kinds``, each in the type that training gave it.

    The types do not depend on the rows, so a batch without missing values looks to an estimator as one with them.

    Raises:
        SchemaError: a column is missing, or holds words where the model was trained on numbers.
    """
    import pandas as pd
    import pyarrow as pa

    found = rows.column_names if isinstance(rows, pa.Table) else list(rows.columns)
    missing = [name for name in kinds if name not in found]
    if missing:
        message = (
            f"The model wants {len(kinds)} feature column(s); the rows lack {missing}. "
            f"Materialise the views that give them, or train a version for the features that are there now."
        )
        raise SchemaError(message)
    cast = _from_arrow if isinstance(rows, pa.Table) else _from_pandas
    return pd.DataFrame({name: cast(rows, name, kind) for name, kind in kinds.items()}, copy=False)


def _from_arrow(rows: pa.Table, name: str, kind: str) -> Any:
    import pyarrow as pa

    column = rows.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_null(column.type) and _kind(name, column.type) != kind:
        raise SchemaError(_wrong_kind(name, kind, str(column.type)))
    if kind == WORD:
        return column.cast(pa.string()).to_numpy()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False).to_numpy()


def _from_pandas(rows: pd.DataFrame, name: str, kind: str) -> Any:
    import numpy as np

    column = rows[name]
    if kind == WORD:
        words = column.to_numpy(dtype=object, copy=True)
        words[column.isna().to_numpy()] = None
        if not all(word is None or isinstance(word, str) for word in words):
            raise SchemaError(_wrong_kind(name, kind, str(column.dtype)))
        return words
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise SchemaError(_wrong_kind(name, kind, str(column.dtype))) from error


def _wrong_kind(name: str, kind: str, found: str) -> str:
    wanted = "numbers" if kind == NUMBER else "words"
    return f"The model was trained on {wanted} in {name}; the rows have {found}. Train a version for the new type."
