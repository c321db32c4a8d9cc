"""The second step of ingestion: a staged batch held against its contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of
from slipstream_airflow.operators.base import Passed, SlipstreamOperator, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class ValidateBatchOperator(SlipstreamOperator):
    """Hold a staged batch against its contract: rows that break it go to quarantine, a halt stops the interval.

    Args:
        source: The source's name.
        loaded: What ``LoadBatchOperator`` returned.
    """

    template_fields: Sequence[str] = ("source", "loaded")

    def __init__(self, *, source: str, loaded: Passed, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.loaded = loaded

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.ingestion import LoadedBatch, validate_batch

        validated = validate_batch(
            self.definitions.source(self.source),
            LoadedBatch.from_dict(passed(self.loaded)),
            lake=self.lake,
            settings=self.lake_hook.settings,
            run=run_of(context),
        )
        return validated.as_dict()
