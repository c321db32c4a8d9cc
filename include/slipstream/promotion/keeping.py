"""Which versions of the lake must not be deleted, because somebody may have to answer for what was made of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from slipstream.promotion.history import ledger, models
from slipstream.promotion.origin import is_imported
from slipstream.promotion.registry import PREFIX

if TYPE_CHECKING:
    from slipstream.lake import Lake
    from slipstream.promotion.registry import Registry


def versions_to_keep(table: str, *, lake: Lake, registry: Registry) -> set[int]:
    """Return the Delta versions of ``table`` that registered versions were trained on, or that the ledger's rows need.

    A row of the ledger needs what its verdict compared on, and what its challenger was trained on, also where that
    version was deleted from the registry since: its run still says it. Definitions are not asked, so that a model
    counts which is broken just now, or gone.
    """
    kept = set[int]().union(*registry.trained_on(table).values())
    runs: set[str] = set()
    for model in models(lake=lake):
        for row in ledger(model, lake=lake):
            compared: dict[str, Any] = dict((row.verdict or {}).get("comparison") or {})
            kept |= _version_of(table, compared.get("versions"))
            runs |= {str(compared["run_id"])} if compared.get("run_id") else set()
    for run_id in sorted(runs):
        tags = registry.run_tags(run_id)
        trained = None if is_imported(tags) else tags.get(f"{PREFIX}versions")
        kept |= _version_of(table, json.loads(trained) if trained else None)
    return kept


def _version_of(table: str, versions: Any) -> set[int]:
    return {int(versions[table])} if versions and table in versions else set()
