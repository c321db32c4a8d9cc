"""### Maintenance: the lake stays small and quick.

Keeps the lake small and quick, a table at a time: joins small files, then deletes what no version needs that somebody
may still read, and what tasks left in staging. Versions that a registered model or a verdict names are always kept.

Runbook: docs/runbooks/maintenance.md
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from slipstream_airflow.defaults import dag_defaults
from slipstream_airflow.documentation import documentation
from slipstream_airflow.generation import doc, lake_tables
from slipstream_airflow.operators.maintain_lake import MaintainLakeOperator
from slipstream_airflow.operators.sweep_staging import SweepStagingOperator
from slipstream_airflow.schedules import after_interval

with DAG(
    dag_id="lake.maintenance",
    description="Compacts and vacuums every table of the lake.",
    doc_md=doc(__doc__),
    schedule=after_interval("0 3 * * 0"),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    tags=["maintenance", "lake"],
    **dag_defaults("maintenance", "platform"),
) as dag:
    tables = lake_tables()
    compact, vacuum = (
        MaintainLakeOperator.partial(
            task_id=action,
            action=action,
            max_active_tis_per_dag=2,
            map_index_template="{{ task.table }}",
            doc_md=documentation(MaintainLakeOperator),
        ).expand(table=tables)
        for action in ("compact", "vacuum")
    )
    compact >> vacuum
    SweepStagingOperator(task_id="sweep_staging")
