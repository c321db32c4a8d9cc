"""The last step of ingestion: a validated batch replaces its interval in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow import metrics
from slipstream_airflow.context import run_of
from slipstream_airflow.operators.base import Passed, SlipstreamOperator, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class PublishBatchOperator(SlipstreamOperator):
    """Replace the interval of ``raw/<source>`` and of its quarantine by a validated batch, each in one commit.

    Args:
        source: The source's name.
        validated: What ``ValidateBatchOperator`` returned.
    """

    template_fields: Sequence[str] = ("source", "validated")

    def __init__(self, *, source: str, validated: Passed, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.validated = validated

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.ingestion import ValidatedBatch, publish_batch

        published = publish_batch(
            self.definitions.source(self.source),
            ValidatedBatch.from_dict(passed(self.validated)),
            lake=self.lake,
            settings=self.lake_hook.settings,
            run=run_of(context),
        ).as_dict()
        self.announce(context, published)
        metrics.report(metrics.of_batch(self.source, published))
        return published
