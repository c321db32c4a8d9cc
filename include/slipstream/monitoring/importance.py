"""How much of a version's attributions each feature has: how much its drift matters."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstream.errors import FatalError

if TYPE_CHECKING:
    import pyarrow as pa

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
    from slipstream.promotion import Registry

    registry = Registry(tracking_uri)
    return weigh(registry.load(model, version), registry.reference(model, version))


def weigh(loaded: LoadedModel, reference: pa.Table) -> Importance:
    """Return the shares on rows of ``reference``, the version's own sample."""
    from slipstream.attribution import refusal

    problem: str | None = refusal(loaded.estimator)
    if problem is None:
        try:
            return Importance(_shares(loaded, reference))
        except FatalError as error:  # contributions that do not add up must not stop the watching
            problem = str(error)
    return Importance(dict.fromkeys(loaded.kinds, round(1 / len(loaded.kinds), DIGITS)), problem)


def _shares(loaded: LoadedModel, reference: pa.Table) -> dict[str, float]:
    import numpy as np

    found = loaded.attribute(reference.slice(0, ROWS))
    sizes = np.abs(found.contributions).mean(axis=0)
    if not sizes.sum() > 0:
        message = "no feature contributes anything to its scores"
        raise FatalError(message)
    return {name: round(float(size), DIGITS) for name, size in zip(found.features, sizes / sizes.sum(), strict=True)}
