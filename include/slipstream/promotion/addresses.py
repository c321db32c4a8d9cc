"""Where a person finds a version's report and card: in MLflow, and in Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from slipstream.secrecy import without_logins

if TYPE_CHECKING:
    from slipstream.settings import Settings


def artifact_page(experiment: str, run_id: str, path: str) -> str:
    """Return the place of an artifact in MLflow's UI, relative to MLflow's own address."""
    return f"#/experiments/{quote(experiment, safe='')}/runs/{quote(run_id, safe='')}/artifacts/{quote(path)}"


def version_page(model: str, version: str, page: str) -> str:
    """Return the place of a version's ``verdict`` or ``card``, relative to Airflow's own address."""
    return f"slipstream/models/{quote(model, safe='')}/versions/{quote(str(version), safe='')}/{page}"


def mlflow_address(settings: Settings) -> str | None:
    """Return MLflow's address without any password; None where it is a store without a server."""
    parts = urlsplit(without_logins(settings.tracking_uri))
    if parts.scheme not in ("http", "https"):
        return None
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")).rstrip("/")


def airflow_address(settings: Settings) -> str | None:
    """Return the address of Airflow's UI: the setting, or what the embedded one wrote; None where neither is there."""
    if settings.airflow_url:
        return settings.airflow_url.rstrip("/")
    written = settings.home / "run" / "airflow.url"
    return written.read_text(encoding="utf-8").strip().rstrip("/") if written.is_file() else None
