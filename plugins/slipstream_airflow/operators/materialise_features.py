"""The one step of a view: an interval of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstream_airflow import metrics
from slipstream_airflow.context import interval_of, run_of
from slipstream_airflow.operators.base import ViewOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class MaterialiseFeaturesOperator(ViewOperator):
    """Run the view's SQL over the interval and its lookback, and replace the interval of ``features/<view>``.

    Returns what was written (``slipstream.features.Materialised``) as a dictionary.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.features import materialise

        view = self.definition
        written = materialise(
            view,
            interval_of(context, view.cron, start=self.interval_start, since=view.start, until=view.end),
            definitions=self.definitions,
            lake=self.lake,
            settings=self.lake_hook.settings,
            run=run_of(context),
        ).as_dict()
        self.announce(context, written)
        metrics.report(metrics.of_rows(self.view, written))
        return written
