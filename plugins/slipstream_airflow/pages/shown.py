"""A report, verdict or card inside a page of ours, in a frame that can do nothing in its reader's name."""

from __future__ import annotations

import asyncio
import re
from typing import Literal

from fastapi import HTTPException
from fastapi.responses import HTMLResponse

from slipstream_airflow.pages.access import UNKNOWN
from slipstream_airflow.pages.rendering import page as render
from slipstream_airflow.pages.rendering import root
from slipstream_airflow.pages.reports import read_report
from slipstream_airflow.pages.versions import NUMBER

WINDOW = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
TITLES = {
    "drift": "Drift report",
    "performance": "Performance report",
    "verdict": "Verdict",
    "card": "Model card",
}

Shown = Literal["drift", "performance", "verdict", "card"]


async def shown_page(model: str, page: Shown, which: str) -> HTMLResponse:
    """Show a report of the monitoring interval ``which``, or the page of the version ``which``."""
    return await asyncio.to_thread(_show, model, page, which)


def _show(model: str, page: Shown, which: str) -> HTMLResponse:
    of_window = page in ("drift", "performance")
    if not (WINDOW if of_window else NUMBER).fullmatch(which):
        raise HTTPException(404, UNKNOWN)
    if of_window:
        path = f"{model}/{which}/{page}.html"
        address = f"{root()}/reports/{path}" if read_report(path) is not None else None
        about = f"Interval from {which[:10]} {which[11:13]}:{which[13:15]} UTC"
    else:
        address, about = f"{root()}/models/{model}/versions/{which}/{page}", f"Version {which}"
    return render(
        "shown.html",
        status=200 if address else 404,
        model=model,
        title=TITLES[page],
        about=about,
        address=address,
        # Evidently draws by script; ours need none.
        allow="allow-scripts" if of_window else "",
    )
