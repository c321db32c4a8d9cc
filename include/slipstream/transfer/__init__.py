"""Versions that go from one registry to another: exported as a signed archive, checked on arrival.

Light to import: MLflow, scikit-learn and the cryptography are loaded by the first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipstream.transfer.exporting import Exported, export_version
    from slipstream.transfer.importing import Imported, import_archive
    from slipstream.transfer.keys import signing_key, trusted_keys

_HOMES = {
    "exporting": ("Exported", "export_version"),
    "importing": ("Imported", "import_archive"),
    "keys": ("signing_key", "trusted_keys"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["Exported", "Imported", "export_version", "import_archive", "signing_key", "trusted_keys"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
