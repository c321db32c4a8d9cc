"""The pages' routes, and kept reports, shown to signed-in users."""

from __future__ import annotations

import asyncio
import posixpath

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import Response

from slipstream_airflow.pages.versions import may_see_model, version_page

# A report is made from data, and its scripts run on Airflow's address: without this they could act as its reader.
SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts", "X-Content-Type-Options": "nosniff"}


def make_app() -> FastAPI:
    """Return the app with its routes, each behind a signed-in user."""
    app = FastAPI(title="Slipstream", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])
    app.add_api_route("/reports/{path:path}", report, methods=["GET"], name="report")
    app.add_api_route(
        "/models/{model}/versions/{version}/{page}",
        version_page,
        methods=["GET"],
        name="version",
        dependencies=[Depends(may_see_model)],
    )
    return app


async def report(path: str) -> Response:
    """Return one kept HTML report."""
    page = await asyncio.to_thread(read_report, path)
    if page is None:
        raise HTTPException(404, "There is no such report. It may be of a lake that this server does not read.")
    return Response(page, media_type="text/html; charset=utf-8", headers=SANDBOX)


def read_report(path: str) -> bytes | None:
    """Return a report's bytes; None where there is none, or the path leads out of the reports."""
    from slipstream.lake.storage import Storage
    from slipstream.settings import get_settings

    plain = posixpath.normpath(path)
    if plain != path or plain.startswith(("/", "..")) or "\\" in plain or "\0" in plain or not plain.endswith(".html"):
        return None
    settings = get_settings()
    storage = Storage(settings.reports, settings.storage_options())
    try:
        with storage.filesystem.open_input_stream(storage.path(plain)) as stream:
            return bytes(stream.read())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
