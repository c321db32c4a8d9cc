"""From which of its input columns a transformer made each of its output columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Each output column is made of the input column in the same place, by values of that column alone.
_COLUMN_BY_COLUMN = frozenset(
    {
        "Binarizer",
        "MaxAbsScaler",
        "MinMaxScaler",
        "OrdinalEncoder",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
        "TargetEncoder",
    }
)


class UntraceableError(ValueError):
    """The message says which transformer's output columns cannot be traced back, and why."""


def owners(transformer: Any, width: int) -> list[int]:
    """Return for each output column of a fitted transformer of ``width`` columns the place of its input column.

    Raises:
        UntraceableError: A column is made of several, or of nobody knows which.
    """
    if transformer is None or transformer == "passthrough":
        return list(range(width))
    name = type(transformer).__name__
    if type(transformer).__module__.startswith("sklearn."):
        if name in _COLUMN_BY_COLUMN:
            return list(range(width))
        if name in _SPECIAL:
            return _SPECIAL[name](transformer, width)
        if hasattr(transformer, "get_support"):
            return [int(place) for place in transformer.get_support(indices=True)]
    message = f"the columns that a {name} makes cannot be traced back to single features"
    raise UntraceableError(message)


def _pipeline(pipeline: Any, width: int) -> list[int]:
    found = list(range(width))
    for _, step in pipeline.steps:
        found = [found[place] for place in owners(step, len(found))]
    return found


def _column_transformer(transformer: Any, width: int) -> list[int]:
    names = [str(name) for name in getattr(transformer, "feature_names_in_", range(width))]
    made: dict[int, int] = {}
    for name, step, columns in transformer.transformers_:
        place = transformer.output_indices_.get(name, slice(0, 0))
        wanted = range(place.start, place.stop)
        if not len(wanted):
            continue
        taken = _places(columns, names)
        found = [taken[each] for each in owners(step, len(taken))]
        _same_width(step, len(found), len(wanted))
        made |= dict(zip(wanted, found, strict=True))
    return [made[place] for place in sorted(made)]


def _places(columns: Any, names: Sequence[str]) -> list[int]:
    import numpy as np

    if isinstance(columns, str):
        return [names.index(columns)]
    if isinstance(columns, slice) and (isinstance(columns.start, str) or isinstance(columns.stop, str)):
        # As in pandas, the end of a slice of names belongs to it.
        first = 0 if columns.start is None else names.index(columns.start)
        last = len(names) if columns.stop is None else names.index(columns.stop) + 1
        return list(range(len(names)))[first : last : columns.step]
    if not isinstance(columns, slice):
        listed = np.asarray(columns).reshape(-1)
        if listed.dtype.kind in "OUT":
            return [names.index(str(name)) for name in listed]
        columns = listed
    return [int(place) for place in np.arange(len(names))[columns].reshape(-1)]


def _union(union: Any, width: int) -> list[int]:
    steps = [step for _, step in union.transformer_list if step != "drop"]
    return [place for step in steps for place in owners(step, width)]


def _one_hot(encoder: Any, width: int) -> list[int]:
    dropped = encoder.drop_idx_
    rare = getattr(encoder, "infrequent_categories_", [None] * width)
    found = []
    for place, categories in enumerate(encoder.categories_):
        number = len(categories)
        if rare[place] is not None and len(rare[place]):
            number += 1 - len(rare[place])
        if dropped is not None and dropped[place] is not None:
            number -= 1
        found += [place] * number
    return found


def _imputer(imputer: Any, width: int) -> list[int]:
    import pandas as pd

    kept = [
        place
        for place, value in enumerate(imputer.statistics_)
        if imputer.keep_empty_features or imputer.strategy == "constant" or not pd.isna(value)
    ]
    flags = imputer.indicator_.features_ if imputer.indicator_ is not None else ()
    return kept + [int(place) for place in flags]


def _indicator(indicator: Any, width: int) -> list[int]:
    return [int(place) for place in indicator.features_]


def _function(transformer: Any, width: int) -> list[int]:
    if transformer.func is None or transformer.feature_names_out == "one-to-one":
        return list(range(width))
    message = "what a FunctionTransformer makes can be traced back only with feature_names_out='one-to-one'"
    raise UntraceableError(message)


_SPECIAL = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    "OneHotEncoder": _one_hot,
    "SimpleImputer": _imputer,
    "MissingIndicator": _indicator,
    "FunctionTransformer": _function,
}


def _same_width(step: Any, found: int, wanted: int) -> None:
    if found != wanted:
        message = f"a {type(step).__name__} makes {wanted} columns, of which {found} could be traced back"
        raise UntraceableError(message)
