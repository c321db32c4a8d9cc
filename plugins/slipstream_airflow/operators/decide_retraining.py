"""From a window's numbers to yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow import metrics
from slipstream_airflow.context import looks_back, run_of
from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class DecideRetrainingOperator(ModelOperator):
    """Judge drift and performance, write the numbers to ``monitoring/<model>`` and the decision to the ledger.

    A decision to retrain starts a training by itself: the model's ``retrain`` asset watches. A backfill judges the past
    and decides nothing, unless the run's param ``signal_in_backfill`` says so.

    Args:
        drift: What ``ReportDriftOperator`` returned.
        performance: What ``ReportPerformanceOperator`` returned.
    """

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
            definitions=self.definitions,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
            backfill=looks_back(context),
        ).as_dict()
        self.log.info(decision["reason"])
        self.announce(context, decision)
        metrics.report(metrics.of_decision(self.model, decision, champion(self.model, lake=self.lake)))
        return decision
