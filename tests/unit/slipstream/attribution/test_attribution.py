from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from slipstream.attribution import Explainer, attribute, refusal
from slipstream.attribution.trees import score_of
from slipstream.errors import FatalError, SchemaError

NUMBERS, WORDS = ["first", "second", "flag"], ["kind", "place"]
FEATURES = [*NUMBERS, *WORDS]
ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=40)
filled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
COLUMNS = {
    "ordinal": ColumnTransformer([("words", ordinal, WORDS), ("numbers", SimpleImputer(), NUMBERS)]),
    "one hot": ColumnTransformer([("words", one_hot, WORDS), ("numbers", filled, NUMBERS)]),
    "by place": ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore", drop="first"), slice(3, 5)), ("gone", "drop", [1])],
        remainder=SimpleImputer(strategy="median"),
    ),
    "nested": make_pipeline(
        ColumnTransformer([("words", ordinal, WORDS)], remainder="passthrough"),
        FeatureUnion([("same", SimpleImputer()), ("again", SimpleImputer(strategy="constant", fill_value=7.0))]),
        VarianceThreshold(),
    ),
}
TREES = {
    "hist classifier": HistGradientBoostingClassifier(max_iter=8, random_state=0),
    "hist regressor": HistGradientBoostingRegressor(max_iter=8, random_state=0),
    "hist poisson": HistGradientBoostingRegressor(max_iter=8, loss="poisson", random_state=0),
    "boosting classifier": GradientBoostingClassifier(n_estimators=8, random_state=0),
    "boosting regressor": GradientBoostingRegressor(n_estimators=8, loss="huber", random_state=0),
    "forest classifier": RandomForestClassifier(8, max_depth=5, class_weight="balanced", random_state=0),
    "forest regressor": RandomForestRegressor(8, max_depth=5, random_state=0),
    "extra trees": ExtraTreesRegressor(8, max_depth=5, random_state=0),
    "tree classifier": DecisionTreeClassifier(max_depth=5, random_state=0),
    "tree regressor": DecisionTreeRegressor(max_depth=5, random_state=0),
}


def frame(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    first = chance.normal(size=rows)
    first[chance.random(rows) < 0.1] = np.nan
    words = {name: chance.choice(np.array(["a", "b", "c", "d", None], dtype=object), rows) for name in WORDS}
    return pd.DataFrame({"first": first, "second": chance.exponential(size=rows), "flag": first > 0, **words}).astype(
        dict.fromkeys(NUMBERS, float)
    )


def fitted(columns: Any, trees: Any) -> tuple[Any, str]:
    rows = frame()
    strength = rows["first"].fillna(1.0) + rows["second"] + (rows["kind"] == "a") * 2
    classes = hasattr(trees, "predict_proba")
    label = (strength > 1).astype(float) if classes else np.exp(strength.clip(-2, 3))
    return Pipeline([("columns", columns), ("trees", trees)]).fit(rows, label), (
        "binary_classification" if classes else "regression"
    )


@pytest.fixture(scope="module")
def explainers() -> dict[tuple[str, str], tuple[Any, Explainer]]:
    from sklearn.base import clone

    names = [(how, what) for place, what in enumerate(TREES) for how in (list(COLUMNS)[place % 4], "ordinal")]
    made = {name: fitted(clone(COLUMNS[name[0]]), clone(TREES[name[1]])) for name in names}
    return {name: (estimator, Explainer(estimator, FEATURES, task=task)) for name, (estimator, task) in made.items()}


number = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))
word = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d", "", "never seen", "ü"]))
row = st.tuples(number, number, number, word, word)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(row, max_size=12), which=st.integers(0, 2 * len(TREES) - 1))
def test_contributions_add_up_to_the_score_whatever_the_row(explainers: Any, rows: list[Any], which: int) -> None:
    words = {"kind": object, "place": object}
    given_rows = pd.DataFrame(rows, columns=FEATURES).astype({**dict.fromkeys(NUMBERS, float), **words})
    estimator, explainer = list(explainers.values())[which % len(explainers)]
    found = explainer(given_rows)
    assert found.contributions.shape == (len(rows), len(FEATURES))
    if not rows:
        return
    classes = hasattr(estimator, "predict_proba")
    score = estimator.predict_proba(given_rows)[:, 1] if classes else estimator.predict(given_rows)
    if found.unit == "log-odds":  # its own margin, not the chance, which hides an error near 0 and 1
        assert np.abs(found.margin - estimator.decision_function(given_rows)).max() <= 1e-6
    assert np.abs(score_of(found.unit, found.margin) - score).max() <= 1e-6 * max(1.0, np.abs(score).max())


def test_no_bit_depends_on_the_rows_around(explainers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = frame(4, seed=5)
    whole = {name: explainer(rows).contributions for name, (_, explainer) in explainers.items()}
    monkeypatch.setattr(sys.modules["slipstream.attribution.explainer"], "_CELLS", 20)
    for name, (_, explainer) in explainers.items():
        single = np.concatenate([explainer(rows.iloc[place : place + 1]).contributions for place in range(4)])
        assert (single == whole[name]).all()
        assert (explainer(rows).contributions == whole[name]).all()


def test_a_feature_that_the_trees_never_use_contributes_nothing(explainers: Any) -> None:
    _, explainer = explainers["by place", "hist poisson"]
    found = explainer(frame(50, seed=2))
    assert (found.contributions[:, FEATURES.index("second")] == 0).all()  # which the columns drop
    assert np.abs(found.contributions[:, FEATURES.index("first")]).max() > 0


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (make_pipeline(SimpleImputer(), LogisticRegression()), "a LogisticRegression is not trees"),
        (CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2), cv=2), "a CalibratedClassifierCV is not trees"),
        (make_pipeline(PolynomialFeatures(), DecisionTreeClassifier()), "a PolynomialFeatures makes cannot be traced"),
        (make_pipeline(FunctionTransformer(np.abs), DecisionTreeClassifier()), "feature_names_out='one-to-one'"),
        (GradientBoostingClassifier(loss="exponential"), "loss is 'exponential'"),
        (GradientBoostingClassifier(init="zero"), "an estimator of its own"),
        (HistGradientBoostingClassifier(categorical_features=[0], max_iter=3), "splits categories natively"),
    ],
)
def test_what_cannot_be_explained_says_why(estimator: Any, words: str) -> None:
    values = pd.DataFrame({"first": np.arange(60) % 3.0, "second": np.arange(60) % 7.0})
    found = estimator.fit(values, np.arange(60) % 2)
    assert words in str(refusal(found))
    with pytest.raises(SchemaError, match="cannot be explained"):
        attribute(found, values, task="binary_classification")


def test_one_class_alone_is_refused() -> None:
    found = DecisionTreeClassifier().fit([[0.0], [1.0]], [1, 1])
    assert "two are wanted" in str(refusal(found))


def test_what_does_not_add_up_is_an_error(explainers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, explainer = explainers["ordinal", "hist classifier"]
    monkeypatch.setattr(explainer, "baseline", float("nan"))
    with pytest.raises(FatalError, match="3 of 3 scores do not add up"):
        explainer(frame(3))
