"""What a prediction costs: per-row losses, and the summaries of a set of rows that people read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EPSILON = 1e-15


def _log_loss(label: Floats, score: Floats) -> Floats:
    sure = np.clip(score, _EPSILON, 1 - _EPSILON)
    return np.asarray(-np.where(label > 0.5, np.log(sure), np.log1p(-sure)))


def _squared(label: Floats, score: Floats) -> Floats:
    return np.square(label - score)


def _absolute(label: Floats, score: Floats) -> Floats:
    return np.abs(label - score)


_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "log_loss": _log_loss,
    "brier": _squared,
    "absolute_error": _absolute,
    "squared_error": _squared,
}


def row_losses(metric: str, label: Floats, score: Floats) -> Floats:
    """Return the loss of each row; shapes ``(n,)``, float64. A chance is kept 1e-15 away from 0 and 1 in log_loss."""
    loss: Floats = _LOSSES[metric](np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64))
    return loss


def calibration_error(label: Floats, score: Floats, *, bins: int = 10) -> float:
    """Return the expected calibration error over equally filled bins, in probability.

    Naeini, Cooper and Hauskrecht (2015), with bins of equal count as in Nixon et al. (2019): bins of equal width leave
    most of them empty when a class is rare.
    """
    order = np.argsort(score, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return float(sum(abs(label[part].mean() - score[part].mean()) * len(part) for part in parts) / len(order))


def classification_metrics(label: Floats, score: Floats) -> dict[str, float]:
    """Return log loss, Brier score, ROC AUC and calibration error; AUC is NaN where only one class is there."""
    label, score = np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64)
    return {
        "log_loss": float(row_losses("log_loss", label, score).mean()),
        "brier": float(row_losses("brier", label, score).mean()),
        "roc_auc": _roc_auc(label, score),
        "calibration_error": calibration_error(label, score),
    }


def _roc_auc(label: Floats, score: Floats) -> float:
    """Return the chance that a positive outranks a negative, ties half: the Mann-Whitney statistic."""
    positives = float(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return float((ranks[label > 0.5].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def regression_metrics(label: Floats, score: Floats) -> dict[str, float]:
    """Return MAE, RMSE and R² (NaN where the labels do not vary)."""
    label, score = np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64)
    residual, spread = np.square(label - score).mean(), np.square(label - label.mean()).mean()
    return {
        "mae": float(np.abs(label - score).mean()),
        "rmse": float(np.sqrt(residual)),
        "r2": float(1 - residual / spread) if spread > 0 else float("nan"),
    }


def summary(task: str, label: Floats, score: Floats) -> dict[str, float]:
    """Return the metrics of ``task`` for labels and scores of shape ``(n,)``, n at least 1."""
    measure = classification_metrics if task == "binary_classification" else regression_metrics
    return measure(label, score)
