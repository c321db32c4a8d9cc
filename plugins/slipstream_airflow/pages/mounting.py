"""The pages' app, made when the api-server first asks for it and in no other process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

PLACE = "/slipstream"
# One car close behind another, drawn here, for a page may load nothing from elsewhere.
ICON = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='{ink}' "
    "stroke-width='2' stroke-linecap='round' stroke-linejoin='round'>"
    "<path d='M3 17l5-5-5-5M10 17l5-5-5-5M17 17l5-5-5-5'/>"
    "</svg>"
)
Message = MutableMapping[str, Any]
App = TypeVar("App")


class LazyApp:
    """An ASGI app that imports the pages with its first request, so that a scheduler never imports FastAPI for them."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if self._app is None:
            from slipstream_airflow.pages.app import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


def external_views() -> list[dict[str, Any]]:
    """Return the page in Airflow's navigation, and the tab on each DAG, as Airflow wants them described."""
    from airflow.configuration import conf

    root = prefix(conf.get("api", "base_url", fallback=""))
    shared = {"icon": ICON.format(ink="%2318181b"), "icon_dark_mode": ICON.format(ink="%23fafafa")}
    nav = {
        "name": "Models",
        "href": f"{root}/models",
        "destination": "nav",
        "url_route": "models",
        "nav_top_level": True,
    }
    tab = {"name": "Model", "href": f"{root}/dags/{{DAG_ID}}", "destination": "dag", "url_route": "model"}
    return [{**nav, **shared}, {**tab, **shared}]


def prefix(base_url: str | None) -> str:
    """Return the path of the pages on the address that Airflow is reached by, which may have a path of its own."""
    return urlsplit(base_url or "").path.rstrip("/") + PLACE


def fastapi_app() -> dict[str, Any]:
    """Return the app as Airflow wants it described."""
    return {"app": LazyApp(), "url_prefix": PLACE, "name": "Slipstream"}


def read_ahead(app: App) -> App:
    """Start to read what the overview shows, and leave ``app`` as it is.

    A mounted app is not told of the server's start. A root middleware is made then, in each process that serves and in
    no other, and a function that returns what it was given costs no request anything.
    """
    from slipstream_airflow.pages.warming import keep_warm

    keep_warm()
    return app


def root_middleware() -> dict[str, Any]:
    """Return ``read_ahead`` as Airflow wants a middleware described."""
    return {"middleware": read_ahead, "name": "Slipstream reads ahead"}
