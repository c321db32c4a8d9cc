"""Templates to pages: every value escaped, nothing loaded from elsewhere, no style or script but ours."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from slipstream.definitions.base import spell_duration
from slipstream.intervals import Interval
from slipstream_airflow.pages.mounting import prefix

_FOLDER = Path(__file__).with_name("templates")


def page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a rendered page with the headers that hold it to its own style and script."""
    text = environment().get_template(template).render(**values, root=root(), airflow=airflow_root())
    return HTMLResponse(text, status_code=status, headers=headers())


def root() -> str:
    """Return the path of the pages, as a browser asks for it."""
    from airflow.configuration import conf

    return prefix(conf.get("api", "base_url", fallback=""))


def airflow_root() -> str:
    """Return the path of Airflow's own pages; empty where it has none."""
    from slipstream_airflow.pages.mounting import PLACE

    return root().removesuffix(PLACE)


@functools.cache
def headers() -> dict[str, str]:
    """Return what a browser has to hold our pages to."""
    policy = {
        "default-src": "'none'",
        "style-src": _hash("page.css"),
        "script-src": _hash("page.js"),
        "img-src": "data:",  # an icon that is none, so that a browser asks for none
        "connect-src": "'self'",
        "frame-src": "'self'",
        "frame-ancestors": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


@functools.cache
def environment() -> Environment:
    """Return the templates with our filters; an unknown name in one is an error, not nothing."""
    found = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "moment": moment,
        "day": day,
        "interval": interval,
        "part": part,
        "share": share,
        "duration": spell_duration,
        "listed": listed,
    }
    # Our own two files, which hold no value of anybody's; their hashes are in the headers.
    found.globals |= {"style": Markup(_text("page.css")), "script": Markup(_text("page.js"))}  # noqa: S704 - ours
    return found


def picture(svg: str) -> Markup:
    """Return a picture of ours, whose values are escaped already, as one that a template leaves as it is."""
    return Markup(svg)  # noqa: S704 - as said


def moment(at: datetime | None) -> str:
    """Spell a time for a person: ``2013-02-14 06:30 UTC``."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "-"


def day(at: date | None) -> str:
    """Spell the day of a time."""
    return f"{at:%Y-%m-%d}" if at else "-"


def interval(found: Interval) -> str:
    """Spell an interval: whole days as days, the last one included, anything else to the minute."""
    if any(at.time() != datetime.min.time() for at in (found.start, found.end)):
        return f"{moment(found.start)} to {moment(found.end)}"
    last = found.end - timedelta(days=1)
    return day(found.start) if last == found.start else f"{day(found.start)} to {day(last)}"


def part(value: object) -> str:
    """Spell a value as one part of an address's path."""
    return quote(str(value), safe="")


def share(value: float | None) -> str:
    """Spell a share in percent."""
    return "-" if value is None else f"{value:.2%}"


def listed(values: Sequence[str]) -> str:
    """Spell names in a row."""
    return ", ".join(each.replace("_", " ") for each in values)


@functools.cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_text(name).encode()).digest()).decode()}'"
