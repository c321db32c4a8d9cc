"""Gradient-boosted trees for the chance that a flight lands late."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["flight_schedule__carrier", "flight_schedule__origin", "flight_schedule__dest"]


def build(params: dict[str, Any]) -> Pipeline:
    """Return the unfitted model; a category that it never saw counts as missing."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer(
        [("categories", encoder, CATEGORIES)], remainder="passthrough", verbose_feature_names_out=False
    )
    # No early stopping: it would hold out rows at random, and flights of one day resemble each other. For the same
    # reason a split sees a third of the columns: values that a whole day shares must not stand for the day.
    defaults = {"max_iter": 150, "min_samples_leaf": 100, "l2_regularization": 1.0, "max_features": 0.3}
    trees = HistGradientBoostingClassifier(early_stopping=False, **{**defaults, **params})
    return Pipeline([("columns", columns), ("trees", trees)])
