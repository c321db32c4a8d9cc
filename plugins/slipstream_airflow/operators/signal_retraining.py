"""The signal that starts a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class SignalRetrainingOperator(ModelOperator):
    """Say on the asset that is this task's outlet why and as known at what time the model is to be trained again.

    Args:
        decision: What ``DecideRetrainingOperator`` returned.
    """

    template_fields: Sequence[str] = ("model", "decision")

    def __init__(self, *, decision: Passed, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decision = decision

    def execute(self, context: Context) -> dict[str, Any]:
        names = ("model", "interval", "reason", "as_of", "alarms", "model_version")
        decision = passed(self.decision)
        signal = {name: decision[name] for name in names}
        self.announce(context, signal)
        self.log.info("%s: %s", self.model, signal["reason"])
        return signal
