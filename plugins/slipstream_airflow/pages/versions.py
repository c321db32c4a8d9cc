"""A version's verdict report and model card, shown to those who may see the DAG that decides about its model."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Literal

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import HTTPException, Request
from fastapi.params import Path
from fastapi.responses import Response

# The pages need no script; the sandbox holds whatever somebody else may have put in their place.
SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_NAME, _NUMBER = re.compile(r"[a-z][a-z0-9_]*"), re.compile(r"[0-9]{1,9}")
_UNKNOWN = "There is no such model or version. `slipstream ledger MODEL` lists those that were judged."

PageName = Literal["verdict", "card"]


def may_see_model(model: Annotated[str, Path()], request: Request, user: GetUserDep) -> None:
    """Let those in who may see ``<model>.promotion``; 401 without a user, 403 without the right, 404 for no name."""
    if not _NAME.fullmatch(model):
        raise HTTPException(404, _UNKNOWN)
    requires_access_dag("GET", param_dag_id=f"{model}.promotion")(request, user)


async def version_page(model: str, version: str, page: PageName) -> Response:
    """Return the report of the last verdict on a version, or the version's card."""
    if not _NUMBER.fullmatch(version):
        raise HTTPException(404, _UNKNOWN)
    text = await asyncio.to_thread(_read, model, version, page)
    return Response(text, media_type="text/html; charset=utf-8", headers=SANDBOX)


def _read(model: str, version: str, page: PageName) -> str:
    """Return the page from the version's run; 404 where there is none, 503 where MLflow does not answer."""
    from slipstream.errors import NotFoundError, RetriableError, SettingsError
    from slipstream.promotion.recording import CARD_PAGE, REPORT
    from slipstream_airflow.hooks.tracking import MlflowHook

    try:
        registry = MlflowHook().registry
        run_id = registry.details(model, version).run_id
        text = registry.document(run_id, {"verdict": REPORT, "card": CARD_PAGE}[page])
    except NotFoundError as error:
        raise HTTPException(404, str(error)) from error
    except (RetriableError, SettingsError) as error:
        raise HTTPException(
            503, "MLflow does not answer, so the page cannot be read. Try again in a minute."
        ) from error
    if text is None:
        message = f"{model} version {version} was not judged yet. Trigger {model}.promotion, and come back."
        raise HTTPException(404, message)
    return text
