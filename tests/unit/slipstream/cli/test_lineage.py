from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slipstream.errors import NotFoundError
from slipstream.promotion import Registry

Cli = Callable[..., Any]


@pytest.fixture
def at_home(shop: Any, enter: Any) -> None:
    """Let the commands work in the shop's project, whose lake is empty."""
    enter(shop)


def test_the_tree_is_printed_and_says_what_the_lake_does_not_have(
    at_home: None, slipstream: Cli, three_versions: Any
) -> None:
    model, versions = three_versions

    shown = slipstream("lineage", f"{model.name}@{versions[0]}").stdout

    assert f"{model.name} version {versions[0]}" in shown
    assert "raw/orders version 3" in shown
    assert "found none" in shown
    assert "seed 7" in shown


def test_an_alias_stands_for_its_version(at_home: None, shop: Any, answer: Cli, three_versions: Any) -> None:
    model, versions = three_versions

    Registry.from_settings(shop.settings).set_alias(model.name, "asked", versions[1])
    found = answer("lineage", f"{model.name}@asked")

    assert found["version"] == versions[1]
    assert len(found["training_set"]["digest"]) == 64


def test_an_alias_that_is_not_there_and_a_word_without_a_version_are_refused(
    at_home: None, slipstream: Cli, three_versions: Any
) -> None:
    assert isinstance(slipstream("lineage", f"{three_versions[0].name}@nobody").exception, NotFoundError)
    assert slipstream("lineage", "churn").exit_code == 2
