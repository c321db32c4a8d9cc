"""Which versions the registry calls champion and challenger, for all models in one answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slipstream.promotion.tracking import mlflow_errors

if TYPE_CHECKING:
    from slipstream.promotion import Registry

Aliases = Mapping[str, Mapping[str, str]]
"""Model to alias to version."""

_PAGE = 1000


def read_aliases(registry: Registry) -> Aliases:
    """Return the aliases of every registered model.

    Raises:
        ServiceError: MLflow does not answer.
    """
    found: dict[str, Mapping[str, str]] = {}
    token: str | None = None
    with mlflow_errors("the registered models"):
        while True:
            page = registry.client.search_registered_models(max_results=_PAGE, page_token=token)
            found |= {each.name: {alias: str(to) for alias, to in each.aliases.items()} for each in page}
            token = page.token
            if not token:
                return found
