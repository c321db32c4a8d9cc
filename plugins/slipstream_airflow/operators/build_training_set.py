"""The first step of training: the rows to fit on, staged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.intervals import iso, utc
from slipstream_airflow.context import as_of_of, run_of
from slipstream_airflow.links.link import MlflowRunLink
from slipstream_airflow.operators.base import WaitingOperator
from slipstream_airflow.triggers.table import raise_unless_ready

if TYPE_CHECKING:
    from airflow.sdk import Context

    from slipstream.features import Needed


class BuildTrainingSetOperator(WaitingOperator):
    """Stage the model's training set as it was known at a time; waits, holding no worker, for what is missing.

    Args:
        as_of: The time in ISO 8601 (UTC); default: the run's own (see ``as_of_of``).
    """

    template_fields: Sequence[str] = ("model", "as_of")
    operator_extra_links = (MlflowRunLink(),)

    def __init__(self, *, as_of: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.as_of = as_of

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.intervals import Schedule

        model = self.definition
        schedule = Schedule(model.training.schedule) if model.training.schedule else None
        moment = as_of_of(context, schedule, as_of=self.as_of)
        self.wait_for(self.needed(moment), then="build_after_wait", as_of=iso(moment))
        return self._build(context, moment)

    def needed(self, as_of: datetime) -> list[Needed]:
        """Return what the training set of that time is made from."""
        from slipstream.features.sets import set_inputs

        model = self.definition
        start, end = max(as_of - model.training.window, model.start), as_of - model.evaluation.window
        if start >= end:
            return []
        return set_inputs(model, start, end, definitions=self.definitions, as_of=as_of)

    def build_after_wait(self, context: Context, event: Mapping[str, Any], as_of: str) -> dict[str, Any]:
        raise_unless_ready(event)
        return self._build(context, utc(as_of))

    def _build(self, context: Context, as_of: datetime) -> dict[str, Any]:
        from slipstream.training import build_training_set

        self.log.info("Training %s as known at %s.", self.model, iso(as_of))
        staged = build_training_set(
            self.definition,
            as_of,
            definitions=self.definitions,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
        self.links = {MlflowRunLink.title: self.mlflow_hook.run_url(staged["run_id"])}
        return staged
