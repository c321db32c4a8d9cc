"""By which rules a verdict was made: the source of each check, and the libraries that compute for it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_LIBRARIES = ("slipstream", "numpy", "scipy", "scikit-learn", "fairlearn", "pyarrow")
_DIGITS = 12


def rules_of(checks: Iterable[str]) -> dict[str, Any]:
    """Return the digest of the module that each built-in check is written in, and the versions of the libraries.

    A team's own check is a part of the model's definition, whose digest stands in the verdict.
    """
    import slipstream.promotion.checks  # noqa: F401 - importing registers them
    from slipstream.promotion import gate, resampling

    found = {name: gate._CHECKS[name] for name in checks if name in gate._CHECKS}
    sources = {name: _digest(inspect.getmodule(function)) for name, function in found.items()}
    return {
        "checks": {**sources, "resampling": _digest(resampling)},
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _digest(module: Any) -> str | None:
    try:
        return hashlib.sha256(inspect.getsource(module).encode()).hexdigest()[:_DIGITS]
    except (OSError, TypeError):  # installed without its source
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
