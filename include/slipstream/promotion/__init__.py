"""Champion against challenger: registry, evaluation, gate, verdict, approval, ledger.

``decide`` re-scores both on the same rows and asks the gate; ``ask`` records what holds when a person is asked;
``promote`` and ``reject`` write the verdict, and the person's answer, to the ledger; ``champion`` and ``rollback`` read
and turn it. The ledger is the truth and the alias ``champion`` in MLflow its projection. Light to import: what needs
MLflow or scikit-learn is loaded by the first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipstream.promotion.approval import Answer, Asked, ask
    from slipstream.promotion.evaluation import Comparison, compare
    from slipstream.promotion.gate import CheckResult, Evidence, register_check
    from slipstream.promotion.history import LedgerRow, champion, ledger
    from slipstream.promotion.imported import promote_imported
    from slipstream.promotion.lineage import Lineage, trace
    from slipstream.promotion.loading import LoadedModel
    from slipstream.promotion.promoting import promote, reject, repair, resolve_champion, rollback, settle
    from slipstream.promotion.registry import Registry, VersionDetails
    from slipstream.promotion.verdict import Verdict, decide, evaluate_gate

_HOMES = {
    "approval": ("Answer", "Asked", "ask"),
    "evaluation": ("Comparison", "compare"),
    "gate": ("CheckResult", "Evidence", "register_check"),
    "history": ("LedgerRow", "champion", "ledger"),
    "imported": ("promote_imported",),
    "lineage": ("Lineage", "trace"),
    "loading": ("LoadedModel",),
    "promoting": ("promote", "reject", "repair", "resolve_champion", "rollback", "settle"),
    "registry": ("Registry", "VersionDetails"),
    "verdict": ("Verdict", "decide", "evaluate_gate"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "Asked",
    "CheckResult",
    "Comparison",
    "Evidence",
    "LedgerRow",
    "Lineage",
    "LoadedModel",
    "Registry",
    "Verdict",
    "VersionDetails",
    "ask",
    "champion",
    "compare",
    "decide",
    "evaluate_gate",
    "ledger",
    "promote",
    "promote_imported",
    "register_check",
    "reject",
    "repair",
    "resolve_champion",
    "rollback",
    "settle",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
