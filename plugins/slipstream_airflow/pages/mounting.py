"""The pages' app, made when the api-server first asks for it and in no other process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]


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
            from slipstream_airflow.pages.reports import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


def fastapi_app() -> dict[str, Any]:
    """Return the app as Airflow wants it described."""
    return {"app": LazyApp(), "url_prefix": "/slipstream", "name": "Slipstream"}
