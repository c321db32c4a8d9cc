"""What Airflow loads of Slipstream, by the entry point ``airflow.plugins``."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from slipstream_airflow import listeners
from slipstream_airflow.links.link import MlflowRunLink, MlflowVersionLink, ReportLink
from slipstream_airflow.pages.mounting import fastapi_app
from slipstream_airflow.warm import warm_celery_worker

warm_celery_worker()


class SlipstreamPlugin(AirflowPlugin):
    """Links, listeners, and the pages below ``/slipstream``."""

    name = "slipstream"
    listeners: ClassVar[list[Any]] = [listeners]
    operator_extra_links: ClassVar[list[Any]] = [MlflowRunLink(), MlflowVersionLink(), ReportLink()]
    fastapi_apps: ClassVar[list[Any]] = [fastapi_app()]
