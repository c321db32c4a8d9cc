"""### Promotion: the challenger against the champion.

Starts when a challenger is registered: scores it and the champion on the same rows, which neither has seen, and makes
it champion if every check of the gate passes and, where the model wants it, a person says yes to exactly this version.
Every verdict and every answer goes to the ledger. With nothing to decide the run ends well, skipped.

Runbook: docs/runbooks/promotion.md
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from slipstream.definitions import Model
from slipstream_airflow.assets import challenger_asset, champion_asset
from slipstream_airflow.defaults import dag_defaults
from slipstream_airflow.generation import doc, make_model_dags
from slipstream_airflow.notifications.alert import AlertNotifier
from slipstream_airflow.operators.compare_with_champion import CompareWithChampionOperator
from slipstream_airflow.operators.promote_model import PromoteModelOperator
from slipstream_airflow.operators.reject_challenger import RejectChallengerOperator
from slipstream_airflow.operators.request_approval import RequestApprovalOperator
from slipstream_airflow.params import promotion_form

PROMOTE, REJECT, APPROVAL = "promote_challenger", "reject_challenger", "request_approval"


def promotion_dag(model: Model) -> DAG:
    """Make the DAG that decides about one model's challenger."""
    yes = APPROVAL if model.approval.required else PROMOTE
    approval = APPROVAL if model.approval.required else None
    with DAG(
        dag_id=f"{model.name}.promotion",
        description=f"Decides whether the challenger of {model.name} becomes champion.",
        doc_md=doc(__doc__, model=model.name, owner=model.owner, gate=", ".join(check.check for check in model.gate)),
        schedule=[challenger_asset(model)],
        start_date=model.start,
        tags=["promotion", model.name],
        params=promotion_form(),
        **dag_defaults("promotion", model.owner),
    ) as dag:
        verdict = CompareWithChampionOperator(task_id="compare_with_champion", model=model.name)

        @task.branch(task_id="gate", doc_md="Follow the verdict: to promotion (or approval) or to rejection.")
        def gate(verdict: Any) -> str:
            return yes if verdict["accepted"] else REJECT

        promote = PromoteModelOperator(
            task_id=PROMOTE,
            model=model.name,
            verdict=verdict.output,
            approval=approval,
            outlets=[champion_asset(model)],
            on_success_callback=AlertNotifier(model=model.name),
        )
        reject = RejectChallengerOperator(
            task_id=REJECT,
            model=model.name,
            verdict=verdict.output,
            approval=approval,
            trigger_rule="none_failed_min_one_success",
            on_success_callback=AlertNotifier(model=model.name),
        )
        decided = gate(verdict.output)
        decided >> [promote, reject]
        if model.approval.required:
            request = RequestApprovalOperator(
                task_id=APPROVAL,
                model=model.name,
                verdict=verdict.output,
                approvers=model.approval.approvers,
                on_approve=PROMOTE,
                on_reject=REJECT,
                timeout=model.approval.timeout,
            )
            decided >> request >> [promote, reject]
    return dag


globals().update(make_model_dags("promotion", promotion_dag))
