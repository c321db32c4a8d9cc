"""How much of a version's attributions each feature has: what its drift matters."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstream.promotion import LoadedModel, Registry

ROWS = 500  # about half a second of SHAP for a boosted forest
DIGITS = 4


def importance_of(registry: Registry, model: str, version: str) -> Mapping[str, float]:
    """Return each feature's share of the version's mean absolute attributions, on rows of its reference sample.

    They are of the version alone, so they are computed once a process. Where the version gives no attributions, all
    features weigh the same.
    """
    return _importance(registry.tracking_uri, model, str(version))


@functools.lru_cache(maxsize=32)
def _importance(tracking_uri: str, model: str, version: str) -> Mapping[str, float]:
    from slipstream.promotion import Registry

    registry = Registry(tracking_uri)
    loaded = registry.load(model, version)
    return attributed(registry, loaded) or dict.fromkeys(loaded.kinds, round(1 / len(loaded.kinds), DIGITS))


def attributed(registry: Registry, loaded: LoadedModel) -> dict[str, float] | None:
    """Return the shares, or None where the version gives no attributions."""
    import numpy as np

    attribute = getattr(loaded, "attribute", None)
    if attribute is None:
        return None
    rows = registry.reference(loaded.model, loaded.version).slice(0, ROWS)
    found = np.abs(np.asarray(attribute(rows).values)).mean(axis=0)
    if found.shape != (len(loaded.kinds),) or not found.sum() > 0:
        return None
    shares = found / found.sum()
    return {name: round(float(share), DIGITS) for name, share in zip(loaded.kinds, shares, strict=True)}
