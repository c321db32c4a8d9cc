"""The ensembles of trees that can be explained, and the scale on which their contributions add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Unit = Literal["log-odds", "chance", "prediction", "log of the prediction"]
UNITS: Mapping[str, str] = {
    "log-odds": "the logarithm of the odds of a yes: 0 is an even chance, and +0.69 doubles the odds",
    "chance": "the chance of a yes itself",
    "prediction": "the unit of the prediction itself",
    "log of the prediction": "the logarithm of the prediction: +0.69 doubles it",
}
TAKEN = (
    "DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor, ExtraTreesClassifier, "
    "ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier, "
    "HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor"
)
_NAMES = frozenset(TAKEN.split(", "))


def tree_refusal(model: Any) -> str | None:
    """Return why the last step of an estimator cannot be explained; None where it can."""
    name = type(model).__name__
    if not type(model).__module__.startswith("sklearn.") or name not in _NAMES:
        return f"a {name} is not trees that the exact algorithm takes ({TAKEN})"
    if name.startswith("HistGradient"):
        if _any_category(model):
            return f"the {name} splits categories natively; encode them with an OrdinalEncoder before it"
        if name.endswith("Regressor") and model.loss not in (*_IDENTITY, *_LOG):
            return f"the {name}'s loss {model.loss!r} is none of {', '.join((*_IDENTITY, *_LOG))}"
    elif name.startswith("GradientBoosting"):
        if model.init is not None:
            return f"the {name} begins with an estimator of its own (init); leave init out"
        if name.endswith("Classifier") and model.loss != "log_loss":
            return f"the {name}'s loss is {model.loss!r}; log_loss is taken"
    if len(getattr(model, "classes_", (0, 1))) != 2:
        return f"the {name} was fitted on {len(model.classes_)} class(es); two are wanted"
    return None


_IDENTITY, _LOG = ("squared_error", "absolute_error", "quantile"), ("poisson", "gamma")


def _any_category(model: Any) -> bool:
    found = getattr(model, "is_categorical_", None)
    return found is not None and bool(found.any())


def unit_of(model: Any) -> Unit:
    """Return the scale on which the contributions of a model that is taken add up."""
    name = type(model).__name__
    if name.endswith("Classifier"):
        return "log-odds" if "Boosting" in name else "chance"
    return "log of the prediction" if name.startswith("Hist") and model.loss in _LOG else "prediction"


def margin(unit: Unit, score: Floats) -> Floats:
    """Return scores on the scale ``unit``; a chance of 0 or 1 is infinitely far from an even one."""
    import numpy as np

    with np.errstate(divide="ignore"):
        if unit == "log-odds":
            odds: Floats = np.log(score) - np.log1p(-score)
            return odds
        return np.log(score) if unit == "log of the prediction" else score


def score_of(unit: Unit, value: Floats) -> Floats:
    """Return the scores that ``value`` on the scale ``unit`` stands for."""
    import numpy as np

    if unit == "log-odds":
        found: Floats = np.exp(-np.logaddexp(0.0, -value))
        return found
    return np.exp(value) if unit == "log of the prediction" else value


def exact_margin(model: Any, unit: Unit, inputs: Any) -> Floats:
    """Return what the model itself says of its inputs on the scale ``unit``."""
    import numpy as np

    if unit == "log-odds":
        found = model.decision_function(inputs)
    elif unit == "chance":
        found = model.predict_proba(inputs)[:, positive(model)]
    else:
        found = margin(unit, np.asarray(model.predict(inputs), dtype=np.float64))
    return np.asarray(found, dtype=np.float64).reshape(-1)


def positive(model: Any) -> int:
    """Return the place of the class 1."""
    return [float(value) for value in model.classes_].index(1.0)
