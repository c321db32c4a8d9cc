"""The last step of training: the best candidate becomes a registered challenger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of
from slipstream_airflow.links.link import MlflowRunLink, MlflowVersionLink
from slipstream_airflow.operators.base import ModelOperator, Passed, passed, passed_list

if TYPE_CHECKING:
    from airflow.sdk import Context


class RegisterChallengerOperator(ModelOperator):
    """Refit the best candidate as declared, and register it under the alias ``challenger``.

    One version comes out for a training set, however often the task is tried.

    Args:
        training_set: What ``BuildTrainingSetOperator`` returned.
        candidates: What the mapped ``FitCandidateOperator`` returned, a list.
    """

    template_fields: Sequence[str] = ("model", "training_set", "candidates")
    operator_extra_links = (MlflowRunLink(), MlflowVersionLink())

    def __init__(
        self,
        *,
        training_set: Passed,
        candidates: Passed,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.training_set = training_set
        self.candidates = candidates

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.training import Candidate, TrainingSet, register_challenger

        registered = register_challenger(
            self.definition,
            TrainingSet.from_dict(passed(self.training_set)),
            [Candidate.from_dict(each) for each in passed_list(self.candidates)],
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
        self.links = {
            MlflowRunLink.title: self.mlflow_hook.run_url(registered["run_id"]),
            MlflowVersionLink.title: self.mlflow_hook.version_url(self.model, registered["version"]),
        }
        self.announce(context, {name: registered[name] for name in ("model", "version", "run_id", "key", "metrics")})
        return registered
