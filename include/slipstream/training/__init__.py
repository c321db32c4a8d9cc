"""A model's rows become candidates, and the best of them a registered challenger.

``build_training_set``, ``fit_candidate`` and ``register_challenger`` are the three tasks; ``train`` is all in a row.
Each may be killed and tried again: one MLflow run and one version come out for a model, a time and a definition.
Light to import: MLflow and scikit-learn are loaded by the first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipstream.training.challenger import Registered, register_challenger, train
    from slipstream.training.dataset import TrainingSet, build_training_set, training_key
    from slipstream.training.estimator import build_estimator, load_build
    from slipstream.training.fitting import Candidate, fit_candidate
    from slipstream.training.replay import Replay, replay_version
    from slipstream.training.selftest import SelfTest, selftest_gate

_HOMES = {
    "challenger": ("Registered", "register_challenger", "train"),
    "dataset": ("TrainingSet", "build_training_set", "training_key"),
    "estimator": ("build_estimator", "load_build"),
    "fitting": ("Candidate", "fit_candidate"),
    "replay": ("Replay", "replay_version"),
    "selftest": ("SelfTest", "selftest_gate"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Candidate",
    "Registered",
    "Replay",
    "SelfTest",
    "TrainingSet",
    "build_estimator",
    "build_training_set",
    "fit_candidate",
    "load_build",
    "register_challenger",
    "replay_version",
    "selftest_gate",
    "train",
    "training_key",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
