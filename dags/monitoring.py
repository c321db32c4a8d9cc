"""### Monitoring: a model is watched.

Watches a model: drift of what it reads and says against the champion's own reference, performance where labels have
matured, and from both a decision, which is kept whatever it is. A decision to retrain starts the training by itself,
through the triggerer; a backfill judges the past and decides nothing. Each change of an alarm is told once.

Backfill: `airflow backfill create --dag-id <model>.monitoring --from-date … --to-date …`.
Runbook: docs/runbooks/monitoring.md
"""

from __future__ import annotations

from airflow.sdk import DAG

from slipstream.definitions import Model
from slipstream_airflow.assets import monitoring_asset
from slipstream_airflow.defaults import dag_defaults
from slipstream_airflow.generation import doc, make_model_dags
from slipstream_airflow.notifications.alert import AlertNotifier
from slipstream_airflow.operators.decide_retraining import DecideRetrainingOperator
from slipstream_airflow.operators.report_drift import ReportDriftOperator
from slipstream_airflow.operators.report_performance import ReportPerformanceOperator
from slipstream_airflow.params import monitoring_form
from slipstream_airflow.schedules import after_interval
from slipstream_airflow.sensors.table import TablesCompleteSensor


def monitoring_dag(model: Model) -> DAG:
    """Make the DAG that watches one model."""
    with DAG(
        dag_id=f"{model.name}.monitoring",
        description=f"Watches {model.name} and decides whether to retrain it.",
        doc_md=doc(__doc__, model=model.name, owner=model.owner, retrains_for=", ".join(model.retraining.reasons)),
        schedule=after_interval(model.monitoring.schedule, model.end),
        start_date=model.start,
        tags=["monitoring", model.name],
        params=monitoring_form(),
        **dag_defaults("monitoring", model.owner),
    ) as dag:
        wait = TablesCompleteSensor(task_id="wait_for_predictions", stage="monitoring", definition=model.name)
        drift = ReportDriftOperator(task_id="report_drift", model=model.name)
        performance = ReportPerformanceOperator(task_id="report_performance", model=model.name)
        decision = DecideRetrainingOperator(
            task_id="decide",
            model=model.name,
            drift=drift.output,
            performance=performance.output,
            outlets=[monitoring_asset(model)],
            on_success_callback=AlertNotifier(model=model.name),
        )
        wait >> [drift, performance] >> decision
    return dag


globals().update(make_model_dags("monitoring", monitoring_dag))
