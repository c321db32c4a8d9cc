"""A person's yes or no between gate and promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLBranchOperator

from slipstream_airflow.links.link import ModelCardLink, VerdictReportLink, verdict_links
from slipstream_airflow.operators.approval import ANSWER, ASKED, user_of
from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context

    from slipstream.promotion import Answer

APPROVE, REJECT = "Approve", "Reject"


class RequestApprovalOperator(ModelOperator, HITLBranchOperator):
    """Show a verdict to the approvers and follow their answer; no answer in time means no.

    What held when the question was put (champion, aliases, version, verdict) goes with the answer to the promotion,
    which refuses an answer that is void by then.

    Args:
        verdict: What ``CompareWithChampionOperator`` returned.
        approvers: User names, as Airflow's auth manager has them; nobody else may answer.
        on_approve: Task id that follows a yes.
        on_reject: Task id that follows a no.
        timeout: How long to wait for an answer; a later one counts as none.
    """

    template_fields: Sequence[str] = ("model", "verdict", "subject", "body")
    operator_extra_links = (VerdictReportLink(), ModelCardLink())

    def __init__(
        self,
        *,
        model: str,
        verdict: Passed,
        approvers: Sequence[str],
        on_approve: str,
        on_reject: str,
        timeout: timedelta,
        **kwargs: Any,
    ) -> None:
        kwargs["execution_timeout"] = None  # Airflow would take it for the time that a person has
        super().__init__(
            model=model,
            subject=f"Shall a version of {model} be champion?",
            options=[APPROVE, REJECT],
            options_mapping={APPROVE: on_approve, REJECT: on_reject},
            defaults=REJECT,
            assigned_users=[{"id": name, "name": name} for name in approvers],
            response_timeout=timeout,
            **kwargs,
        )
        self.verdict = verdict
        self.approvers = tuple(approvers)
        self.timeout = timeout

    def execute(self, context: Context) -> Any:
        from slipstream.promotion import Verdict, ask
        from slipstream.promotion.approval import question

        verdict = Verdict.from_dict(passed(self.verdict))
        self.links = verdict_links(self.model, verdict.challenger)  # beside the question, while it waits
        asked = ask(verdict, lake=self.lake, settings=self.settings)
        context["ti"].xcom_push(key=ASKED, value=asked.as_dict())
        self.subject = f"Promote {self.model} version {verdict.challenger}?"
        self.body = question(verdict, links=self.links, approvers=self.approvers, until=asked.at + self.timeout)
        self.log.info("%s\n%s", self.subject, self.body)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        ti = context["ti"]
        self.links = verdict_links(self.model, str(passed(self.verdict)["challenger"]))
        if "error" not in event:
            answer = self._answer(event, ti.xcom_pull(task_ids=ti.task_id, key=ASKED))
            ti.xcom_push(key=ANSWER, value=answer.as_dict())
            event = {**event, "chosen_options": [APPROVE if answer.answer == "yes" else REJECT]}
            self.log.info("%s: %s", self.model, "yes" if answer.answer == "yes" else answer.refusal)
        return super().execute_complete(context, event)

    def _answer(self, event: Mapping[str, Any], asked: Any) -> Answer:
        """Return what was said; Airflow lets somebody answer who comes after the time, until its scheduler looks."""
        from slipstream.intervals import utc
        from slipstream.promotion import Answer, Asked

        question, by, at = Asked.from_dict(passed(asked)), user_of(event), utc(event["responded_at"])
        if by is None or at > question.at + self.timeout:
            return Answer("none", None, at, question)
        return Answer("yes" if list(event["chosen_options"]) == [APPROVE] else "no", by, at, question)
