"""### Ingestion: a batch comes into the lake.

Brings a source's batch of one interval into the lake: waits until it has arrived whole, casts it, holds it against its
contract, and replaces the interval of `raw/<source>`. Rows that break the contract go to `quarantine/<source>`.

Backfill: `airflow backfill create --dag-id <source>.ingestion --from-date … --to-date …`.
Runbook: docs/runbooks/ingestion.md
"""

from __future__ import annotations

from airflow.sdk import DAG

from slipstream.definitions import Source
from slipstream_airflow.assets import raw_asset
from slipstream_airflow.defaults import dag_defaults
from slipstream_airflow.generation import doc, make_source_dags
from slipstream_airflow.operators.load_batch import LoadBatchOperator
from slipstream_airflow.operators.publish_batch import PublishBatchOperator
from slipstream_airflow.operators.validate_batch import ValidateBatchOperator
from slipstream_airflow.params import interval_form
from slipstream_airflow.schedules import after_interval
from slipstream_airflow.sensors.batch import BatchSensor


def ingestion_dag(source: Source) -> DAG:
    """Make the DAG that ingests one source."""
    with DAG(
        dag_id=f"{source.name}.ingestion",
        description=source.description,
        doc_md=doc(
            __doc__, source=source.name, about=source.description, owner=source.owner, key=", ".join(source.key)
        ),
        schedule=after_interval(source.schedule, source.end),
        start_date=source.start,
        tags=["ingestion", source.name],
        params=interval_form(),
        **dag_defaults("ingestion", source.owner),
    ) as dag:
        arrived = BatchSensor(
            task_id="wait_for_batch",
            source=source.name,
            poke_interval=source.arrival.poll,
            timeout=source.arrival.timeout,
        )
        loaded = LoadBatchOperator(task_id="load_batch", source=source.name)
        validated = ValidateBatchOperator(task_id="validate_batch", source=source.name, loaded=loaded.output)
        published = PublishBatchOperator(
            task_id="publish_batch", source=source.name, validated=validated.output, outlets=[raw_asset(source)]
        )
        arrived >> loaded >> validated >> published
    return dag


globals().update(make_source_dags("ingestion", ingestion_dag))
