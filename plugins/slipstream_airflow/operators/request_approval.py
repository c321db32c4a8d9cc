"""A person's yes or no between gate and promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLBranchOperator

from slipstream_airflow.documentation import documentation
from slipstream_airflow.links.link import ModelCardLink, VerdictReportLink, verdict_links

if TYPE_CHECKING:
    from airflow.sdk import Context

APPROVE, REJECT = "Approve", "Reject"


class RequestApprovalOperator(HITLBranchOperator):
    """Show a verdict to the approvers and follow their answer; no answer in time means no.

    Args:
        verdict: What ``CompareWithChampionOperator`` returned, or a template of it.
        approvers: User names; nobody else may answer.
        on_approve: Task id that follows a yes.
        on_reject: Task id that follows a no.
        timeout: How long to wait for an answer.
    """

    template_fields: Sequence[str] = ("subject", "body")
    operator_extra_links = (VerdictReportLink(), ModelCardLink())

    def __init__(
        self,
        *,
        model: str,
        compare_task: str,
        approvers: Sequence[str],
        on_approve: str,
        on_reject: str,
        timeout: timedelta,
        **kwargs: Any,
    ) -> None:
        pulled = f"ti.xcom_pull(task_ids='{compare_task}')"
        kwargs.setdefault("doc_md", documentation(type(self)))
        kwargs["execution_timeout"] = None
        super().__init__(
            subject=f"Promote {model} version {{{{ {pulled}['challenger'] }}}}?",
            body=(
                f"{{% set verdict = {pulled} %}}"
                "Champion: {{ verdict['champion'] or 'none yet' }}. {{ verdict['reason'] }}\n\n"
                "{% for sentence in verdict['sentences'] %}- {{ sentence }}\n{% endfor %}"
            ),
            options=[APPROVE, REJECT],
            options_mapping={APPROVE: on_approve, REJECT: on_reject},
            defaults=REJECT,
            assigned_users=[{"id": name, "name": name} for name in approvers],
            response_timeout=timeout,
            **kwargs,
        )
        self.model = model
        self.compare_task = compare_task
        self.links: dict[str, str] = {}

    def execute(self, context: Context) -> Any:
        """Leave the links before waiting, so that an approver finds report and card beside the question."""
        self._link(context)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        self._link(context)  # the operator is a new one, and the links of a new one are empty
        user = event.get("responded_by_user")
        context["ti"].xcom_push(key="answer", value={"chosen": event.get("chosen_options"), "responded_by_user": user})
        return super().execute_complete(context, event)

    def _link(self, context: Context) -> None:
        verdict = context["ti"].xcom_pull(task_ids=self.compare_task)
        if isinstance(verdict, Mapping):
            self.links = verdict_links(self.model, str(verdict["challenger"]))
