"""The last step of scoring: staged predictions replace their interval in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow import metrics
from slipstream_airflow.context import run_of
from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class PublishPredictionsOperator(ModelOperator):
    """Replace the interval of ``predictions/<model>`` by what was scored, in one commit.

    Args:
        scored: What ``ScorePopulationOperator`` returned.
    """

    template_fields: Sequence[str] = ("model", "scored")

    def __init__(self, *, scored: Passed, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scored = scored

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.scoring import Scored, publish_predictions

        published = publish_predictions(
            self.definition,
            Scored.from_dict(passed(self.scored)),
            definitions=self.definitions,
            lake=self.lake,
            settings=self.lake_hook.settings,
            run=run_of(context),
        ).as_dict()
        self.announce(context, published)
        metrics.report(metrics.of_rows(self.model, published))
        return published
