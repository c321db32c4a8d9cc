"""Kept reports, shown to those who may see the DAG that decides about their model."""

from __future__ import annotations

import asyncio
import posixpath

from fastapi import HTTPException
from fastapi.responses import Response

# A report is made from data, and its scripts run on Airflow's address: without this they could act as its reader.
SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts", "X-Content-Type-Options": "nosniff"}


async def report(model: str, path: str) -> Response:
    """Return one kept HTML report of a model."""
    page = await asyncio.to_thread(read_report, f"{model}/{path}")
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
