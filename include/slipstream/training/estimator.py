"""A model's own ``estimator.py``: loaded from its folder, asked to build, never given anything else to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from slipstream.definitions.code import load_module
from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    from slipstream.definitions import Model

Build = Callable[[dict[str, Any]], Any]
FILE = "estimator.py"


def load_build(model: Model) -> Build:
    """Return ``build`` of the model's estimator.py; another text of the file is another module, so nothing is stale.

    Raises:
        DefinitionError: The file cannot be imported, or has no function ``build``.
    """
    build = getattr(load_module(model, FILE), "build", None)
    if not callable(build):
        message = (
            f"Model {model.name!r}: {FILE} wants a function build(params); found none. See include/models for one."
        )
        raise DefinitionError(message)
    return build  # type: ignore[no-any-return]


def build_estimator(model: Model, params: Mapping[str, Any]) -> Any:
    """Return the unfitted estimator for a candidate's parameters and the model's seed, given as ``random_state``.

    Raises:
        DefinitionError: ``build`` fails, or gives something that cannot do the model's task.
    """
    given = {**params, "random_state": model.seed}
    try:
        estimator = load_build(model)(dict(given))
    except DefinitionError:
        raise
    except Exception as error:
        message = (
            f"Model {model.name!r}: build({given}) in {FILE} failed: {type(error).__name__}: {error}. "
            f"It gets the candidate's parameters and random_state."
        )
        raise DefinitionError(message) from error
    wanted = ("fit", "predict_proba" if model.task == "binary_classification" else "predict")
    if lacking := [method for method in wanted if not hasattr(estimator, method)]:
        message = (
            f"Model {model.name!r}: build() in {FILE} gave a {type(estimator).__name__} without {lacking}; "
            f"a {model.task} model wants {list(wanted)}."
        )
        raise DefinitionError(message)
    return estimator
