"""A version's estimator, loaded from skops only, and only of types that are on our own list.

MLflow would load whatever a model's own MLmodel file trusts, pickles included; a registry that others can write to must
not be able to run code in a worker. So the file is read here, with a fixed allow-list.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.definitions.yaml import UnreadableError, read_yaml
from slipstream.errors import FatalError, SchemaError
from slipstream.promotion.frames import model_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.attribution import Attributions, Explainer

TRUSTED_TYPES: tuple[str, ...] = (
    # Plain data holders of scikit-learn, numpy and scipy that skops does not know by itself. None of them runs a
    # callable that the file names. A new estimator's types are added here, after a look at their __setstate__.
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
MODEL_FILE = "model.skops"


def predict(task: str, estimator: Any, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the chance of the positive class, or the predicted value, as float64 of shape ``(n,)``."""
    import numpy as np

    if len(frame) == 0:
        return np.empty(0, dtype=np.float64)
    if task != "binary_classification":
        return np.ascontiguousarray(estimator.predict(frame), dtype=np.float64)
    classes = [float(value) for value in estimator.classes_]
    if 1.0 not in classes:
        message = f"Wanted an estimator that knows the class 1, found the classes {classes}."
        raise SchemaError(message)
    return np.ascontiguousarray(estimator.predict_proba(frame)[:, classes.index(1.0)], dtype=np.float64)


@dataclass(frozen=True)
class LoadedModel:
    """One registered version, ready to score."""

    model: str
    version: str
    task: str
    kinds: Mapping[str, str]
    estimator: Any = field(repr=False, compare=False)
    size: int = 0  # of its file, in bytes

    @property
    def feature_columns(self) -> list[str]:
        """What it was trained on, in order: ``view__feature``."""
        return list(self.kinds)

    def frame(self, rows: pd.DataFrame | pa.Table) -> pd.DataFrame:
        """Return what the estimator sees of ``rows``; SchemaError where a column is missing or of another type."""
        return model_frame(rows, self.kinds)

    def score(self, rows: pd.DataFrame | pa.Table) -> NDArray[np.float64]:
        """Return the chance of the positive class, or the prediction, for each row: float64 of shape ``(n,)``."""
        return predict(self.task, self.estimator, self.frame(rows))

    @functools.cached_property
    def explainer(self) -> Explainer:
        """What splits its scores into contributions; SchemaError where its estimator cannot be explained."""
        from slipstream.attribution import Explainer

        return Explainer(self.estimator, self.feature_columns, task=self.task)

    def attribute(self, rows: pd.DataFrame | pa.Table) -> Attributions:
        """Return what each feature contributes to the score of each row, on the scale that ``unit`` names."""
        return self.explainer(self.frame(rows))

    def check_features(self, columns: Sequence[str]) -> None:
        """Raise SchemaError unless ``columns`` (a definition's features) hold all that this version was trained on."""
        missing = [name for name in self.kinds if name not in columns]
        if missing:
            message = (
                f"{self.model} version {self.version} was trained on {missing}, which the definition no longer has. "
                f"Put them back into model.yaml, or train and promote a version without them."
            )
            raise SchemaError(message)


def untrusted_types(path: Path) -> list[str]:
    """Return the types in a skops file that are neither known to skops nor on our list."""
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))


def load_estimator(path: Path, *, who: str) -> Any:
    """Return the estimator of a skops file; FatalError where it is none, or holds a type that is not on our list.

    Args:
        path: The file, whatever its name says it is.
        who: Whose it is, for the message.
    """
    import skops.io

    try:
        refused = untrusted_types(path)
        if not refused:
            return skops.io.load(path, trusted=list(TRUSTED_TYPES))
    except Exception as error:  # skops reads a document of any shape, and raises what that makes Python raise
        message = (
            f"{who} has no readable skops file: {type(error).__name__}: {error}. It is not loaded: what is no skops "
            f"file may be a pickle, which can run any code. Restore it from a backup, or train again."
        )
        raise FatalError(message) from error
    message = (
        f"{who} holds types that are not on the list of trusted ones: {refused}. It is not loaded. "
        f"If they are harmless, add them to TRUSTED_TYPES in slipstream/promotion/loading.py."
    )
    raise FatalError(message)


def load_folder(folder: Path, *, model: str, version: str) -> LoadedModel:
    """Read a logged model's folder; FatalError for any format but skops and any type that is not on the list."""
    who = f"{model} version {version}"
    document = read_description(folder / "MLmodel", who)
    flavor = document["flavors"].get("sklearn", {})
    found = (flavor.get("serialization_format"), flavor.get("pickled_model"))
    if found != ("skops", MODEL_FILE):
        message = (
            f"{who} is not a skops model (format {found[0]!r}, file {found[1]!r}) and is not "
            f"loaded: a pickle can run any code. Train it again with `slipstream run training {model}`."
        )
        raise FatalError(message)
    path = folder / MODEL_FILE
    estimator = load_estimator(path, who=who)
    task = (document.get("metadata") or {}).get("slipstream.task", "")
    return LoadedModel(
        model=model,
        version=version,
        task=task,
        kinds=_signature(document, model, version),
        estimator=estimator,
        size=path.stat().st_size,
    )


def read_description(path: Path, who: str) -> dict[str, Any]:
    """Return what a model's MLmodel file says, read as a definition is: plain values, in bounds."""
    try:
        document = read_yaml(path).data
    except UnreadableError as error:
        message = f"{who} has an MLmodel file that is not read: {error} Train it again."
        raise FatalError(message) from error
    flavors = document.get("flavors") if isinstance(document, dict) else None
    if not isinstance(flavors, dict) or not isinstance(flavors.get("sklearn", {}), dict):
        message = f"{who} wants an MLmodel file with its flavors, as MLflow writes it; found something else."
        raise FatalError(message)
    return dict(document)


def _signature(document: Mapping[str, Any], model: str, version: str) -> dict[str, str]:
    import json

    inputs = (document.get("signature") or {}).get("inputs")
    if not inputs:
        message = f"{model} version {version} has no signature, so its features are unknown. Train it again."
        raise SchemaError(message)
    return {column["name"]: column["type"] for column in json.loads(inputs)}
