"""The mapped step of training: one parameter set fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of
from slipstream_airflow.links.link import MlflowRunLink
from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class FitCandidateOperator(ModelOperator):
    """Fit one parameter set of the grid and log it as an MLflow run of its own.

    Args:
        training_set: What ``BuildTrainingSetOperator`` returned.
        index: Which parameter set of the model's grid; map over ``range(len(model.training.grid()))``.
    """

    template_fields: Sequence[str] = ("model", "training_set")
    operator_extra_links = (MlflowRunLink(),)

    def __init__(self, *, training_set: Passed, index: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.training_set = training_set
        self.index = index

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.training import TrainingSet, fit_candidate

        candidate = fit_candidate(
            self.definition,
            TrainingSet.from_dict(passed(self.training_set)),
            self.index,
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
        self.links = {MlflowRunLink.title: self.mlflow_hook.run_url(candidate["run_id"])}
        return candidate
