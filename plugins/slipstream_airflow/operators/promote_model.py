"""What follows from an accepted verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of
from slipstream_airflow.links.link import MlflowVersionLink, ModelCardLink, VerdictReportLink, verdict_links
from slipstream_airflow.operators.approval import answer_of
from slipstream_airflow.operators.base import ModelOperator, Passed, passed

if TYPE_CHECKING:
    from airflow.sdk import Context


class PromoteModelOperator(ModelOperator):
    """Make the challenger of an accepted verdict the champion of its model: a row in the ledger, then the alias.

    Args:
        verdict: What ``CompareWithChampionOperator`` returned.
        approval: Task id of the ``RequestApprovalOperator`` that said yes; its answer goes to the ledger and to the
            version's tags, and is refused where champion or aliases changed since the question.
    """

    template_fields: Sequence[str] = ("model", "verdict")
    operator_extra_links = (VerdictReportLink(), ModelCardLink(), MlflowVersionLink())

    def __init__(self, *, verdict: Passed, approval: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verdict = verdict
        self.approval = approval

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.promotion import Verdict, promote

        answer = answer_of(context, self.approval, wanted=True)
        row = promote(
            self.definition,
            Verdict.from_dict(passed(self.verdict)),
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
            by=answer.by if answer else None,
            approval=answer,
        ).as_dict()
        self.links = {
            **verdict_links(self.model, row["version"]),
            MlflowVersionLink.title: self.mlflow_hook.version_url(self.model, row["version"]),
        }
        self.announce(context, {name: row[name] for name in ("model", "version", "replaces", "by", "seq")})
        return {name: value for name, value in row.items() if name != "verdict"}
