"""The performance of a model's predictions whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Schedule
from slipstream_airflow.context import interval_of, run_of
from slipstream_airflow.operators.base import ModelOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReportPerformanceOperator(ModelOperator):
    """Measure the published scores of the newest matured window against their labels.

    Args:
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
    """

    template_fields: Sequence[str] = ("model", "interval_start")

    def __init__(self, *, interval_start: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.interval_start = interval_start

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.monitoring import report_performance

        model = self.definition
        return report_performance(
            model,
            interval_of(
                context,
                Schedule(model.monitoring.schedule),
                start=self.interval_start,
                since=model.start,
                until=model.end,
            ),
            definitions=self.definitions,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
        ).as_dict()
