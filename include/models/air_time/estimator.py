"""Gradient-boosted trees for the minutes that a flight is in the air."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["flight_schedule__carrier", "flight_schedule__origin", "flight_schedule__dest"]


def build(params: dict[str, Any]) -> Pipeline:
    """Return the unfitted model; a category that it never saw counts as missing."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer(
        [("categories", encoder, CATEGORIES)], remainder="passthrough", verbose_feature_names_out=False
    )
    # No early stopping: it would hold out rows at random, and flights of one day resemble each other.
    defaults = {"max_iter": 200, "min_samples_leaf": 40}
    trees = HistGradientBoostingRegressor(early_stopping=False, **{**defaults, **params})
    return Pipeline([("columns", columns), ("trees", trees)])


def value(label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return what planning by each prediction costs, in EUR: a minute too short is overtime, one too long is idle."""
    short, idle = np.maximum(label - prediction, 0), np.maximum(prediction - label, 0)
    return -(20 * short + 8 * idle)
