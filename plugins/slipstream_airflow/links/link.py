"""A link whose address the operator leaves while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class LeftLink(BaseOperatorLink):
    """Return what the operator left in ``links``; Airflow keeps it as an XCom for the UI."""

    title: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return self.title

    @property
    def xcom_key(self) -> str:
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        links: dict[str, str] = getattr(operator, "links", {})
        return links.get(self.title, "")


class MlflowRunLink(LeftLink):
    """The run in MLflow that a training task wrote."""

    title = "MLflow run"


class MlflowVersionLink(LeftLink):
    """The registered version that a task made or judged."""

    title = "Registered version"


class ReportLink(LeftLink):
    """The Evidently report of the task's window."""

    title = "Evidently report"
