"""The way back to an earlier champion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipstream_airflow.context import run_of, started_by
from slipstream_airflow.links.link import MlflowVersionLink
from slipstream_airflow.operators.base import ModelOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class RestoreVersionOperator(ModelOperator):
    """Make an earlier champion the champion again, in one step, with its reason in the ledger.

    Args:
        reason: Why, in a sentence.
        version: The version to restore; default: the champion before the present one.
    """

    template_fields: Sequence[str] = ("model", "reason", "version")
    operator_extra_links = (MlflowVersionLink(),)

    def __init__(self, *, reason: str, version: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason
        self.version = version

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.promotion import rollback

        row = rollback(
            self.definition,
            reason=self.reason,
            to=self.version or None,
            lake=self.lake,
            settings=self.settings,
            run=run_of(context),
            by=started_by(context),
        ).as_dict()
        self.links = {MlflowVersionLink.title: self.mlflow_hook.version_url(self.model, row["version"])}
        self.announce(context, {name: row[name] for name in ("model", "version", "replaces", "reason", "by", "seq")})
        return {name: value for name, value in row.items() if name != "verdict"}
