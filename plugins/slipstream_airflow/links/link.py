"""A link whose address the operator leaves while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseOperatorLink, conf

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


class VerdictReportLink(LeftLink):
    """The page of the verdict that a task gave or followed."""

    title = "Verdict report"


class ModelCardLink(LeftLink):
    """The model card of the version that a task judged."""

    title = "Model card"


def airflow_page(path: str) -> str:
    """Return a page below ``/slipstream`` on Airflow's own address."""
    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/{path}"


def verdict_links(model: str, version: str) -> dict[str, str]:
    """Return the links to the report and the card of a version that was judged."""
    from slipstream.promotion.addresses import version_page

    pages = {VerdictReportLink.title: "verdict", ModelCardLink.title: "card"}
    return {title: airflow_page(version_page(model, version, page)) for title, page in pages.items()}
