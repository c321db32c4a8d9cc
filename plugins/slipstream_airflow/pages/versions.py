"""A version's verdict report and model card, shown to those who may see the DAG that decides about its model."""

from __future__ import annotations

import asyncio
import re
from typing import Literal

from fastapi import HTTPException
from fastapi.responses import Response

from slipstream_airflow.pages.access import UNKNOWN

# The pages need no script; the sandbox holds whatever somebody else may have put in their place.
SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
NUMBER = re.compile(r"[0-9]{1,9}")

PageName = Literal["verdict", "card"]


async def version_page(model: str, version: str, page: PageName) -> Response:
    """Return the report of the last verdict on a version, or the version's card."""
    if not NUMBER.fullmatch(version):
        raise HTTPException(404, UNKNOWN)
    text = await asyncio.to_thread(_read, model, version, page)
    return Response(text, media_type="text/html; charset=utf-8", headers=SANDBOX)


def _read(model: str, version: str, page: PageName) -> str:
    """Return the page from the version's run; 404 where there is none, 503 where MLflow does not answer."""
    from slipstream.errors import NotFoundError, RetriableError, SettingsError
    from slipstream.promotion.recorded import page_of
    from slipstream.promotion.recording import CARD_PAGE, REPORT
    from slipstream_airflow.hooks.tracking import MlflowHook

    try:
        registry = MlflowHook().registry
        details = registry.details(model, version)
        text = page_of(details, {"verdict": REPORT, "card": CARD_PAGE}[page], registry=registry)
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
