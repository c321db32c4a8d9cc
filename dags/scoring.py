"""### Scoring: the champion predicts an interval.

Scores the population of one interval with the champion, in bounded batches, and replaces the interval of
`predictions/<model>`. Waits until the features that can be known by then are complete.

Backfill: `airflow backfill create --dag-id <model>.scoring --from-date … --to-date …`.
Runbook: docs/runbooks/scoring.md
"""

from __future__ import annotations

from airflow.sdk import DAG

from slipstream.definitions import Model
from slipstream_airflow.assets import predictions_asset
from slipstream_airflow.defaults import dag_defaults
from slipstream_airflow.generation import doc, make_model_dags
from slipstream_airflow.operators.publish_predictions import PublishPredictionsOperator
from slipstream_airflow.operators.score_population import ScorePopulationOperator
from slipstream_airflow.params import interval_form
from slipstream_airflow.schedules import scoring_schedule
from slipstream_airflow.sensors.table import TablesCompleteSensor


def scoring_dag(model: Model) -> DAG:
    """Make the DAG that scores one model's population."""
    with DAG(
        dag_id=f"{model.name}.scoring",
        description=f"Scores the population of {model.name} with its champion.",
        doc_md=doc(__doc__, model=model.name, purpose=model.purpose, owner=model.owner, scored_at=model.scoring.at),
        schedule=scoring_schedule(model),
        start_date=model.start,
        tags=["scoring", model.name],
        params=interval_form(),
        **dag_defaults("scoring", model.owner),
    ) as dag:
        wait = TablesCompleteSensor(task_id="wait_for_features", stage="scoring", definition=model.name)
        scored = ScorePopulationOperator(task_id="score_population", model=model.name)
        published = PublishPredictionsOperator(
            task_id="publish_predictions", model=model.name, scored=scored.output, outlets=[predictions_asset(model)]
        )
        wait >> scored >> published
    return dag


globals().update(make_model_dags("scoring", scoring_dag))
