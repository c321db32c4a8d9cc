"""Deleting what tasks left in staging."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from slipstream_airflow.operators.base import SlipstreamOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SweepStagingOperator(SlipstreamOperator):
    """Delete the rows that tasks left for one another and nobody touched for long.

    Args:
        older_than: Keep what is younger; longer than any task is retried.
    """

    def __init__(self, *, older_than: timedelta = timedelta(days=7), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.older_than = older_than

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.lake.scratch import Scratch

        return {"files": Scratch(self.lake_hook.settings).sweep(older_than=self.older_than)}
