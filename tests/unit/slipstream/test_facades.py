from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

PACKAGES = (
    "attribution",
    "definitions",
    "features",
    "freshness",
    "ingestion",
    "lake",
    "monitoring",
    "promotion",
    "scoring",
    "training",
    "transfer",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_takes_the_place_of_a_name_that_its_package_offers(package: str) -> None:
    facade = import_module(f"slipstream.{package}")
    for module in pkgutil.walk_packages(facade.__path__, f"{facade.__name__}."):
        import_module(module.name)

    hidden = [name for name in facade.__all__ if isinstance(getattr(facade, name), ModuleType)]

    assert hidden == []
