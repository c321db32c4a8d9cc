"""### Rollback: an earlier champion comes back.

By hand only: makes an earlier champion the champion again, in one step. The form asks for the version (empty: the
champion before the present one) and for the reason, which goes to the ledger with your name.

Runbook: docs/runbooks/rollback.md
"""

from __future__ import annotations

from airflow.sdk import DAG

from slipstream.definitions import Model
from slipstream_airflow.assets import champion_asset
from slipstream_airflow.defaults import dag_defaults
from slipstream_airflow.generation import doc, make_model_dags
from slipstream_airflow.operators.restore_version import RestoreVersionOperator
from slipstream_airflow.params import rollback_form


def rollback_dag(model: Model) -> DAG:
    """Make the DAG that takes one model's last promotion back."""
    with DAG(
        dag_id=f"{model.name}.rollback",
        description=f"Makes an earlier champion of {model.name} the champion again.",
        doc_md=doc(__doc__, model=model.name, owner=model.owner),
        schedule=None,
        start_date=model.start,
        tags=["rollback", model.name],
        params=rollback_form(),
        **dag_defaults("rollback", model.owner),
    ) as dag:
        RestoreVersionOperator(
            task_id="restore_version",
            model=model.name,
            version="{{ params.version or '' }}",
            reason="{{ params.reason }}",
            outlets=[champion_asset(model)],
        )
    return dag


globals().update(make_model_dags("rollback", rollback_dag))
