"""What follows from a verdict that does not promote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of
from slipstream_airflow.links.link import ModelCardLink, VerdictReportLink, verdict_links
from slipstream_airflow.operators.approval import answer_of
from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class RejectChallengerOperator(ModelOperator):
    """Write to the ledger that the challenger was not promoted, with the reason; the champion stays.

    Args:
        verdict: What ``CompareWithChampionOperator`` returned.
        approval: Task id of the ``RequestApprovalOperator`` that may have said no.
    """

    template_fields: Sequence[str] = ("model", "verdict")
    operator_extra_links = (VerdictReportLink(), ModelCardLink())

    def __init__(self, *, verdict: Passed, approval: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verdict = verdict
        self.approval = approval

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.promotion import Verdict, reject

        answer, verdict = answer_of(context, self.approval), Verdict.from_dict(passed(self.verdict))
        row = reject(
            self.definition,
            verdict,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
            by=answer.by if answer else None,
            approval=answer,
        ).as_dict()
        self.links = verdict_links(self.model, verdict.challenger)
        return {name: value for name, value in row.items() if name != "verdict"}
