"""The performance of a model's predictions whose labels are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of
from slipstream_airflow.links.link import ReportLink
from slipstream_airflow.operators.base import MonitoringOperator
from slipstream_airflow.operators.report_drift import report_url

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReportPerformanceOperator(MonitoringOperator):
    """Measure the published scores of the newest matured window against their labels, and keep the report.

    Args:
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
    """

    operator_extra_links = (ReportLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.monitoring import report_performance

        performance = report_performance(
            self.definition,
            self.interval(context),
            definitions=self.definitions,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
        self.links = {ReportLink.title: report_url(performance["report"])}
        return performance
