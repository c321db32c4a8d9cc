"""The first step of scoring: an interval's rows scored by the champion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import interval_of, run_of
from slipstream_airflow.links.link import MlflowVersionLink
from slipstream_airflow.operators.base import ModelOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ScorePopulationOperator(ModelOperator):
    """Score the interval's population with the champion, a batch at a time, into staging.

    Args:
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
    """

    template_fields: Sequence[str] = ("model", "interval_start")
    operator_extra_links = (MlflowVersionLink(),)

    def __init__(self, *, interval_start: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.interval_start = interval_start

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.scoring import score_population

        model = self.definition
        scored = score_population(
            model,
            interval_of(
                context, model.cron, start=self.interval_start, since=model.start, until=model.end, due=model.scoring.at
            ),
            definitions=self.definitions,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
        self.links = {MlflowVersionLink.title: self.mlflow_hook.version_url(self.model, scored["model_version"])}
        return scored
