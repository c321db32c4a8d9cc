"""Attributions of a fitted estimator's scores to the features that it was given."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.attribution.tracing import UntraceableError, owners
from slipstream.attribution.trees import Unit, exact_margin, positive, tree_refusal, unit_of
from slipstream.errors import FatalError, SchemaError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TOLERANCE = 1e-6  # of the margin, and relative to it where it is larger than 1
_CELLS = 2_000_000  # of the widest array that is held at once; each row is computed by itself, so no bit depends on it


@dataclass(frozen=True)
class Attributions:
    """Scores split into contributions: ``baseline + contributions.sum(axis=1)`` is the score on the scale ``unit``.

    Attributes:
        features: The columns that the estimator was given, in order.
        baseline: What the trees say on average over their training rows: the same for every row of a version.
        contributions: float64 of shape ``(n, len(features))``.
        unit: What both are counted in; see ``UNITS``.
    """

    features: tuple[str, ...]
    baseline: float
    contributions: Floats
    unit: Unit

    @property
    def margin(self) -> Floats:
        """The score of each row on the scale ``unit``, as the contributions add up to it."""
        found: Floats = self.baseline + self.contributions.sum(axis=1)
        return found


def refusal(estimator: Any) -> str | None:
    """Return why a fitted estimator cannot be explained, in words; None where it can. Does not import shap."""
    steps, trees = _unfolded(estimator)
    if reason := tree_refusal(trees):
        return reason
    width = getattr(estimator, "n_features_in_", None)
    try:
        found = _traced(steps, int(width)) if width is not None else None
    except UntraceableError as error:
        return str(error)
    if found is not None and len(found) != trees.n_features_in_:
        return f"its trees see {trees.n_features_in_} columns, of which {len(found)} could be traced back"
    return None


def attribute(estimator: Any, frame: pd.DataFrame, *, task: str) -> Attributions:
    """Split the score of each row of ``frame``; see ``Explainer``."""
    return Explainer(estimator, list(frame.columns), task=task)(frame)


class Explainer:
    """Splits the scores of one fitted estimator, by path-dependent tree SHAP; made once, used for many rows.

    Raises:
        SchemaError: The estimator cannot be explained; the message says why.
    """

    def __init__(self, estimator: Any, features: Sequence[str], *, task: str) -> None:
        import shap

        if reason := refusal(estimator):
            message = f"This estimator's scores cannot be explained: {reason}. Remove explain, or use such trees."
            raise SchemaError(message)
        self.features = tuple(features)
        self._estimator = estimator
        self._steps, self._trees = _unfolded(estimator)
        self._owners = _traced(self._steps, len(self.features))
        self.unit = unit_of(self._trees)
        self._class = positive(self._trees) if task == "binary_classification" else 0
        self._shap = shap.TreeExplainer(self._trees, feature_perturbation="tree_path_dependent")
        expected = np.atleast_1d(np.asarray(self._shap.expected_value, dtype=np.float64))
        self.baseline = float(expected[self._class] if len(expected) > 1 else expected[0])

    def __call__(self, frame: pd.DataFrame) -> Attributions:
        """Split the score of each row; ``frame`` is what the estimator is scored on.

        Raises:
            FatalError: The contributions do not add up to a score.
        """
        most = max(1, _CELLS // max(len(self._owners), 1))
        parts = [self._part(frame.iloc[begin : begin + most]) for begin in range(0, len(frame), most)]
        whole = np.concatenate(parts) if parts else np.empty((0, len(self.features)))
        return Attributions(self.features, self.baseline, whole, self.unit)

    def _part(self, frame: pd.DataFrame) -> Floats:
        inputs: Any = frame
        for step in self._steps:
            inputs = step.transform(inputs)
        made = _matrix(inputs)
        found = np.asarray(self._shap.shap_values(made, check_additivity=False), dtype=np.float64)
        if found.ndim == 3:
            found = found[:, :, self._class]
        summed = np.zeros((len(frame), len(self.features)))
        for column, owner in enumerate(self._owners):  # one after the other, so that no bit depends on the rows around
            summed[:, owner] += found[:, column]
        self._must_add_up(frame, summed)
        return summed

    def _must_add_up(self, frame: pd.DataFrame, contributions: Floats) -> None:
        wanted = exact_margin(self._estimator, self.unit, frame)
        off = np.abs(self.baseline + contributions.sum(axis=1) - wanted) / np.maximum(1.0, np.abs(wanted))
        if not (off <= TOLERANCE).all():
            message = (
                f"The contributions to {int((~(off <= TOLERANCE)).sum())} of {len(off)} scores do not add up to them: "
                f"off by up to {float(off.max()):.3g} in {self.unit}, at most {TOLERANCE:g} is allowed. Nothing was "
                f"stored. Remove scoring.explain from model.yaml, and report this with the versions of shap and "
                f"scikit-learn."
            )
            raise FatalError(message)


def _unfolded(estimator: Any) -> tuple[list[Any], Any]:
    """Return the transformers of a pipeline in order, and its last step."""
    if type(estimator).__name__ != "Pipeline" or not hasattr(estimator, "steps"):
        return [], estimator
    inner, last = _unfolded(estimator.steps[-1][1])
    steps = [step for _, step in estimator.steps[:-1] if step is not None and step != "passthrough"]
    return [*steps, *inner], last


def _traced(steps: Sequence[Any], width: int) -> list[int]:
    return list(
        itertools.accumulate(
            steps, lambda found, step: [found[place] for place in owners(step, len(found))], initial=list(range(width))
        )
    )[-1]


def _matrix(inputs: Any) -> Any:
    dense = inputs.toarray() if hasattr(inputs, "toarray") else inputs
    return np.asarray(dense, dtype=np.float64)
