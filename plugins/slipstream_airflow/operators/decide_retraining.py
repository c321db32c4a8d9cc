"""From a window's numbers to yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import SkipMixin

from slipstream_airflow import metrics
from slipstream_airflow.context import is_backfill, params_of, run_of
from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class DecideRetrainingOperator(ModelOperator, SkipMixin):
    """Judge drift and performance, write numbers and decision to ``monitoring/<model>``, and go on only to retrain.

    What follows is skipped when the answer is no, and in a backfill, which judges the past: nothing retrains because
    of a backfill, unless the run's param ``signal_in_backfill`` says so.

    Args:
        drift: What ``ReportDriftOperator`` returned.
        performance: What ``ReportPerformanceOperator`` returned.
    """

    inherits_from_skipmixin = True
    template_fields: Sequence[str] = ("model", "drift", "performance")

    def __init__(self, *, drift: Passed, performance: Passed, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drift = drift
        self.performance = performance

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.intervals import Interval
        from slipstream.monitoring import DriftReport, PerformanceReport, decide
        from slipstream.promotion import champion

        drift = DriftReport.from_dict(passed(self.drift))
        decision = decide(
            self.definition,
            Interval.parse(drift.interval),
            drift,
            PerformanceReport.from_dict(passed(self.performance)),
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
        self.log.info(decision["reason"])
        self.announce(context, decision)
        metrics.report(metrics.of_decision(self.model, decision, champion(self.model, lake=self.lake)))
        if not decision["retrain"] or not self._may_signal(context):
            # Skipping leaves execute by an exception, so what it would return is pushed first.
            context["ti"].xcom_push(key="return_value", value=decision)
            self.skip(ti=context["ti"], tasks=self.get_direct_relatives(upstream=False))
        return decision

    def _may_signal(self, context: Context) -> bool:
        if not is_backfill(context) or params_of(context).get("signal_in_backfill"):
            return True
        self.log.info("A backfill does not start a training; the decision is kept.")
        return False
