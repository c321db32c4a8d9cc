"""The first step of a promotion: challenger and champion on the same rows, before the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from slipstream.intervals import utc
from slipstream_airflow.context import params_of
from slipstream_airflow.links.link import (
    MlflowRunLink,
    MlflowVersionLink,
    ModelCardLink,
    VerdictReportLink,
    verdict_links,
)
from slipstream_airflow.operators.base import WaitingOperator
from slipstream_airflow.triggers.table import raise_unless_ready

if TYPE_CHECKING:
    from airflow.sdk import Context


class CompareWithChampionOperator(WaitingOperator):
    """Score challenger and champion on the same rows that neither has seen, and let the gate give its verdict.

    Asks the registry which version is challenger, so that it does not matter how many events arrive: without one, or
    with one that the ledger has decided on already, the task is skipped and there is nothing to do. The evaluation rows
    are newer than those of the training, so the task waits, holding no worker, for what they are made from.
    With the run's param ``as_of`` they are of another time than that of the challenger's training.

    Args:
        challenger: A version to judge, again if need be; default: the run's param ``challenger``, or the registry's.
    """

    template_fields: Sequence[str] = ("model", "challenger")
    operator_extra_links = (VerdictReportLink(), ModelCardLink(), MlflowRunLink(), MlflowVersionLink())

    def __init__(self, *, challenger: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.challenger = challenger

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.promotion.evaluation import comparison_inputs

        challenger = str(self.challenger or params_of(context).get("challenger") or self._undecided())
        source: dict[str, Any] = {"definitions": self.definitions, "lake": self.lake, "settings": self.settings}
        as_of = params_of(context).get("as_of") or None
        needed = comparison_inputs(
            self.definition, challenger=challenger, as_of=utc(as_of) if as_of else None, **source
        )
        self.wait_for(needed, then="compare_after_wait", challenger=challenger, as_of=as_of)
        return self._compare(challenger, as_of)

    def compare_after_wait(
        self, context: Context, event: Mapping[str, Any], challenger: str, as_of: str | None = None
    ) -> dict[str, Any]:
        raise_unless_ready(event)
        return self._compare(challenger, as_of)

    def _compare(self, challenger: str, as_of: str | None) -> dict[str, Any]:
        from slipstream.promotion import decide

        verdict = decide(
            self.definition,
            definitions=self.definitions,
            lake=self.lake,
            settings=self.settings,
            challenger=challenger,
            as_of=utc(as_of) if as_of else None,
        ).as_dict()
        for sentence in verdict["sentences"]:
            self.log.info(sentence)
        self.log.info("%s version %s: %s. %s", self.model, challenger, verdict["outcome"], verdict["reason"])
        self.links = {
            **verdict_links(self.model, challenger),
            MlflowRunLink.title: self.mlflow_hook.run_url(verdict["comparison"]["run_id"]),
            MlflowVersionLink.title: self.mlflow_hook.version_url(self.model, challenger),
        }
        return verdict

    def _undecided(self) -> str:
        from slipstream.promotion import ledger

        challenger = self.mlflow_hook.registry.version(self.model, "challenger")
        if challenger is None:
            message = f"{self.model} has no challenger: there is nothing to decide."
            raise AirflowSkipException(message)
        rows = (row for row in ledger(self.model, lake=self.lake) if row.action != "void")  # void decided nothing
        decided = next((row for row in rows if row.challenger == challenger), None)
        if decided:
            message = f"{self.model} version {challenger} was {decided.action} by {decided.by} already: nothing to do."
            raise AirflowSkipException(message)
        return challenger
