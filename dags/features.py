"""### Features: an interval of a view is made.

Makes one interval of a feature view: waits until what its SQL reads is complete, runs it over the interval and its
lookback, and replaces the interval of `features/<view>`.

Backfill: `airflow backfill create --dag-id <view>.features --from-date … --to-date …`.
Runbook: docs/runbooks/features.md
"""

from __future__ import annotations

from airflow.sdk import DAG

from slipstream.definitions import View
from slipstream_airflow.assets import features_asset
from slipstream_airflow.defaults import dag_defaults
from slipstream_airflow.generation import doc, make_view_dags
from slipstream_airflow.operators.materialise_features import MaterialiseFeaturesOperator
from slipstream_airflow.params import interval_form
from slipstream_airflow.schedules import after_interval
from slipstream_airflow.sensors.table import TablesCompleteSensor


def features_dag(view: View) -> DAG:
    """Make the DAG that materialises one view."""
    reads = ", ".join(given.table for given in view.inputs.values())
    with DAG(
        dag_id=f"{view.name}.features",
        description=view.description,
        doc_md=doc(__doc__, view=view.name, about=view.description, owner=view.owner, reads=reads),
        schedule=after_interval(view.schedule, view.end),
        start_date=view.start,
        tags=["features", view.name],
        params=interval_form(),
        **dag_defaults("features", view.owner),
    ) as dag:
        wait = TablesCompleteSensor(task_id="wait_for_inputs", stage="features", definition=view.name)
        materialised = MaterialiseFeaturesOperator(
            task_id="materialise_features", view=view.name, outlets=[features_asset(view)]
        )
        wait >> materialised
    return dag


globals().update(make_view_dags("features", features_dag))
