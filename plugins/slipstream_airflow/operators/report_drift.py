"""The drift of a model's window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from slipstream_airflow.context import run_of
from slipstream_airflow.links.link import MlflowVersionLink, ReportLink, airflow_page
from slipstream_airflow.operators.base import MonitoringOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReportDriftOperator(MonitoringOperator):
    """Compare the window's features and predictions with the champion's reference sample, and keep the report.

    Args:
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
    """

    operator_extra_links = (ReportLink(), MlflowVersionLink())

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.monitoring import report_drift

        drift = report_drift(
            self.definition,
            self.interval(context),
            definitions=self.definitions,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
        self.links = {ReportLink.title: report_url(drift["report"])}
        if drift["model_version"]:
            self.links[MlflowVersionLink.title] = self.mlflow_hook.version_url(self.model, drift["model_version"])
        return drift


def report_url(path: str | None) -> str:
    """Return the page of a kept report on Airflow's own address; empty where none was kept."""
    if not path:
        return ""
    return airflow_page(f"slipstream/reports/{quote(path)}")
