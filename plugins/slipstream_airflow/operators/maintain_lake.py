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

    A version that a registered model names is always kept. A table that does not exist yet is left alone.

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
        return dict(table.vacuum(keep_versions=self._named_versions(), older_than=self.older_than).as_dict())

    def _named_versions(self) -> set[int]:
        """Return the versions of the table that registered models and verdicts name; any doubt stops the task.

        A model of the registry counts also where its definition is broken just now, or gone.
        """
        from slipstream.promotion import ledger

        trained = self.mlflow_hook.registry.trained_on(self.table)
        kept = set[int]().union(*trained.values())
        for model in {*trained, *self.definitions.models}:
            for row in ledger(model, lake=self.lake):
                compared = ((row.verdict or {}).get("comparison") or {}).get("versions") or {}
                kept |= {int(compared[self.table])} if self.table in compared else set()
        return kept
