"""What follows from a verdict that does not promote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of
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

    def __init__(self, *, verdict: Passed, approval: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verdict = verdict
        self.approval = approval

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.promotion import Verdict, reject

        answer = answer_of(context, self.approval)
        row = reject(
            self.definition,
            Verdict.from_dict(passed(self.verdict)),
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
            by=answer.by if answer else None,
            approval=answer,
        ).as_dict()
        return {name: value for name, value in row.items() if name != "verdict"}
