"""Gradient-boosted trees for {{name}}."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES: list[str] = [{{categories}}]


def build(params: dict[str, Any]) -> Pipeline:
    """Return the unfitted model; ``params`` are one combination of training.candidates, and the seed."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer(
        [("categories", encoder, CATEGORIES)], remainder="passthrough", verbose_feature_names_out=False
    )
    # No early stopping: it would hold out rows at random, and rows of one day resemble each other.
    trees = HistGradientBoostingRegressor(**{"early_stopping": False, **params})
    return Pipeline([("columns", columns), ("trees", trees)])
