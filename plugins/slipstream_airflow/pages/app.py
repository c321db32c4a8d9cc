"""The pages' routes. Each wants a signed-in user; all but the overview the right to see the model's DAG as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI

from slipstream_airflow.pages import models, shown
from slipstream_airflow.pages.access import may_see_dag, may_see_model
from slipstream_airflow.pages.reports import report
from slipstream_airflow.pages.versions import version_page


def make_app() -> FastAPI:
    """Return the app with its routes, each behind a signed-in user."""
    app = FastAPI(title="Slipstream", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])
    # The overview asks for each model's DAG by itself, and leaves out what its reader may not see.
    app.add_api_route("/models", models.overview_page, methods=["GET"], name="overview")
    of_model: dict[str, Callable[..., Any]] = {
        "/models/{model}": models.model_page,
        "/models/{model}/lineage/{version}": models.lineage_page,
        "/models/{model}/restore/{version}": models.restore_page,
        "/models/{model}/show/{page}/{which}": shown.shown_page,
        "/models/{model}/versions/{version}/{page}": version_page,
        "/reports/{model}/{path:path}": report,
    }
    for path, page in of_model.items():
        app.add_api_route(path, page, methods=["GET"], name=page.__name__, dependencies=[Depends(may_see_model)])
    app.add_api_route(
        "/dags/{dag_id}", models.dag_page, methods=["GET"], name="dag", dependencies=[Depends(may_see_dag)]
    )
    return app
