"""### Training: a challenger is made.

Makes a challenger: stages the rows whose labels are known, fits every candidate of the parameter grid, and registers
the best. Starts by its schedule where the model has one, by hand, or when monitoring, in Airflow or outside of it, has
found what the policy retrains for: then once for each decision.

Backfill (where there is a schedule): `airflow backfill create --dag-id <model>.training --from-date … --to-date …`.
Runbook: docs/runbooks/training.md
"""

from __future__ import annotations

from airflow.sdk import DAG

from slipstream.definitions import Model
from slipstream_airflow.assets import challenger_asset
from slipstream_airflow.defaults import TRAINING_POOL, dag_defaults
from slipstream_airflow.documentation import documentation
from slipstream_airflow.generation import doc, make_model_dags
from slipstream_airflow.notifications.alert import AlertNotifier
from slipstream_airflow.operators.build_training_set import BuildTrainingSetOperator
from slipstream_airflow.operators.claim_training import ClaimTrainingOperator
from slipstream_airflow.operators.fit_candidate import FitCandidateOperator
from slipstream_airflow.operators.register_challenger import RegisterChallengerOperator
from slipstream_airflow.params import training_form
from slipstream_airflow.schedules import training_schedule


def training_dag(model: Model) -> DAG:
    """Make the DAG that trains one model."""
    with DAG(
        dag_id=f"{model.name}.training",
        description=f"Trains a challenger for {model.name}.",
        doc_md=doc(__doc__, model=model.name, purpose=model.purpose, owner=model.owner, task=model.task),
        schedule=training_schedule(model),
        start_date=model.start,
        tags=["training", model.name],
        params=training_form(),
        **dag_defaults("training", model.owner),
    ) as dag:
        claimed = ClaimTrainingOperator(
            task_id="claim_training", model=model.name, on_success_callback=AlertNotifier(model=model.name)
        )
        training_set = BuildTrainingSetOperator(
            task_id="build_training_set", model=model.name, as_of="{{ ti.xcom_pull('claim_training')['as_of'] }}"
        )
        claimed >> training_set
        candidates = FitCandidateOperator.partial(
            task_id="fit_candidate",
            model=model.name,
            training_set=training_set.output,
            pool=TRAINING_POOL,
            doc_md=documentation(FitCandidateOperator),
        ).expand(index=list(range(len(model.training.grid()))))
        RegisterChallengerOperator(
            task_id="register_challenger",
            model=model.name,
            training_set=training_set.output,
            candidates=candidates.output,
            pool=TRAINING_POOL,
            outlets=[challenger_asset(model)],
        )
    return dag


globals().update(make_model_dags("training", training_dag))
