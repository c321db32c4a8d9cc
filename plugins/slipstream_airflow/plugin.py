"""What Airflow loads of Slipstream, by the entry point ``airflow.plugins``."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from slipstream_airflow import listeners
from slipstream_airflow.links.link import (
    MlflowRunLink,
    MlflowVersionLink,
    ModelCardLink,
    ReportLink,
    VerdictReportLink,
)
from slipstream_airflow.pages.mounting import external_views, fastapi_app, root_middleware
from slipstream_airflow.timetables import IntervalsUntil, StartsUntil
from slipstream_airflow.warm import warm_celery_worker

warm_celery_worker()


class SlipstreamPlugin(AirflowPlugin):
    """Links, listeners, timetables, and the pages below ``/slipstream``, in the navigation and on each DAG."""

    name = "slipstream"
    listeners = [listeners]  # noqa: RUF012 - Airflow's own form
    operator_extra_links = [  # noqa: RUF012
        MlflowRunLink(),
        MlflowVersionLink(),
        ReportLink(),
        VerdictReportLink(),
        ModelCardLink(),
    ]
    timetables = [IntervalsUntil, StartsUntil]  # noqa: RUF012
    fastapi_apps = [fastapi_app()]  # noqa: RUF012
    fastapi_root_middlewares = [root_middleware()]  # noqa: RUF012
    external_views = external_views()
