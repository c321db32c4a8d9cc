"""The way into training: why it starts, written down; and for one alarm one training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from slipstream.intervals import Schedule, iso
from slipstream_airflow.context import SCHEDULED, as_of_of, is_signalled, params_of, run_of
from slipstream_airflow.operators.base import ModelOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from slipstream.monitoring.retraining import Why


class ClaimTrainingOperator(ModelOperator):
    """Write to ``ledger/retraining`` that a training starts in this run, and return why and as known at what time.

    A run that the retrain signal started claims the decision to retrain; where another run was faster, or the policy
    says no, it ends here, skipped. A run by hand or by schedule always goes on. A retried task goes on as before.

    Args:
        as_of: The time in ISO 8601 (UTC) of a run by hand or by schedule; default: the run's own (see ``as_of_of``).
    """

    template_fields: Sequence[str] = ("model", "as_of")

    def __init__(self, *, as_of: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.as_of = as_of

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.monitoring import claim, retrainings

        model, run = self.definition, run_of(context)
        given: dict[str, Any] = {"lake": self.lake, "settings": self.settings, "run": run}
        if is_signalled(context):
            row = claim(model, "alarm", **given)
        else:
            schedule = Schedule(model.training.schedule) if model.training.schedule else None
            moment = as_of_of(context, schedule, as_of=self.as_of)
            why: Why = "schedule" if context["dag_run"].run_type in SCHEDULED else "manual"
            said = str(params_of(context).get("reason") or "")
            row = claim(model, why, as_of=moment, reason=said, **given)
        if row is None:
            last = next((each for each in reversed(retrainings(model, lake=self.lake)) if each.alarms), None)
            message = f"No training of {model.name} is left to start. {last.reason if last else ''}"
            raise AirflowSkipException(message)
        self.log.info("Training %s as of %s: %s", model.name, iso(row.as_of), row.reason)
        return row.as_dict()
