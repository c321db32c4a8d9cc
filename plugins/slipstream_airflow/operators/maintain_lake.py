"""Keeping one table of the lake small and quick."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from slipstream_airflow.operators.base import SlipstreamOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class MaintainLakeOperator(SlipstreamOperator):
    """Compact a table's small files, or delete what no version needs that somebody may still read.

    A version that a registered model, or a row of the ledger, names is always kept; any doubt stops the task. A table
    that does not exist yet is left alone.

    Args:
        table: The table's name, e.g. ``raw/flights``; map over several.
        action: ``compact`` or ``vacuum``.
        older_than: ``vacuum`` deletes only what was replaced longer ago than this.
    """

    template_fields: Sequence[str] = ("table",)

    def __init__(
        self,
        *,
        table: str,
        action: Literal["compact", "vacuum"],
        older_than: timedelta = timedelta(days=7),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.action = action
        self.older_than = older_than

    def execute(self, context: Context) -> dict[str, Any]:
        table = self.lake.table(self.table)
        if not table.exists():
            return {"table": self.table, "note": "There is no such table yet."}
        if self.action == "compact":
            return dict(table.compact().as_dict())
        from slipstream.promotion.keeping import versions_to_keep

        kept = versions_to_keep(self.table, lake=self.lake, registry=self.mlflow_hook.registry)
        return dict(table.vacuum(keep_versions=kept, older_than=self.older_than).as_dict())
