from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from slipstream.metrics import calibration_error, row_losses, summary

ROWS = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=60)


@given(rows=ROWS)
def test_classification_agrees_with_scikit_learn(rows):
    label, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = summary("binary_classification", label, score)
    clipped = np.clip(score, 1e-15, 1 - 1e-15)
    assert found["log_loss"] == pytest.approx(theirs.log_loss(label, clipped, labels=[0, 1]), rel=1e-6, abs=1e-12)
    assert found["brier"] == pytest.approx(np.mean((label - score) ** 2))
    if 0 < label.sum() < len(label):
        assert found["roc_auc"] == pytest.approx(theirs.roc_auc_score(label, score))
    else:
        assert np.isnan(found["roc_auc"])


@given(rows=st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=60))
def test_regression_agrees_with_scikit_learn(rows):
    label, score = (np.array(column) for column in zip(*rows, strict=True))
    found = summary("regression", label, score)
    assert found["mae"] == pytest.approx(theirs.mean_absolute_error(label, score))
    assert found["rmse"] == pytest.approx(theirs.root_mean_squared_error(label, score))
    if np.ptp(label) > 1e-3:
        assert found["r2"] == pytest.approx(theirs.r2_score(label, score), rel=1e-6)


def test_a_constant_label_has_no_r2():
    assert np.isnan(summary("regression", np.ones(5), np.arange(5.0))["r2"])


def test_a_certain_mistake_costs_much_but_not_everything():
    found = row_losses("log_loss", np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert np.isfinite(found).all()
    assert found[0] > 30
    assert found[2] < 1e-12


def test_a_calibrated_score_errs_less_than_a_bold_one():
    chance = np.random.default_rng(1)
    score = chance.random(20_000)
    label = (chance.random(20_000) < score).astype(float)
    assert calibration_error(label, score) < 0.02
    assert calibration_error(label, np.clip(score * 1.5, 0, 1)) > 0.1
