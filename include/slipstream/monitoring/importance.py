"""How much of a version's attributions each feature has: how much its drift matters."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstream.errors import FatalError

if TYPE_CHECKING:
    from slipstream.promotion import LoadedModel, Registry

ROWS = 500  # half a second of the tree algorithm, and shares are known to a percent
DIGITS = 4


@dataclass(frozen=True)
class Importance:
    """Each feature's share of a version's mean absolute attributions; they add up to 1.

    Attributes:
        problem: Why all features weigh the same instead, in words; None where they do not.
    """

    shares: Mapping[str, float]
    problem: str | None = None


def importance_of(registry: Registry, model: str, version: str) -> Importance:
    """Return what a version makes of its features, on rows of its own reference sample: computed once a process.

    Where its estimator cannot be explained, all features weigh the same.
    """
    return _importance(registry.tracking_uri, model, str(version))


@functools.lru_cache(maxsize=32)
def _importance(tracking_uri: str, model: str, version: str) -> Importance:
    from slipstream.attribution import refusal
    from slipstream.promotion import Registry

    registry = Registry(tracking_uri)
    loaded = registry.load(model, version)
    problem: str | None = refusal(loaded.estimator)
    if problem is None:
        try:
            return Importance(_shares(registry, loaded))
        except FatalError as error:  # contributions that do not add up must not stop the watching
            problem = str(error)
    return Importance(dict.fromkeys(loaded.kinds, round(1 / len(loaded.kinds), DIGITS)), problem)


def _shares(registry: Registry, loaded: LoadedModel) -> dict[str, float]:
    import numpy as np

    rows = registry.reference(loaded.model, loaded.version).slice(0, ROWS)
    found = loaded.attribute(rows)
    sizes = np.abs(found.contributions).mean(axis=0)
    if not sizes.sum() > 0:
        message = "no feature contributes anything to its scores"
        raise FatalError(message)
    return {name: round(float(size), DIGITS) for name, size in zip(found.features, sizes / sizes.sum(), strict=True)}
