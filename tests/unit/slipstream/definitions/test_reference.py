from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipstream.definitions.schemas import schemas

PAGE = Path(__file__).parents[4] / "docs/reference/definitions.md"


def keys(schema: dict[str, Any]) -> Iterator[str]:
    for model in (schema, *schema.get("$defs", {}).values()):
        yield from model.get("properties", {})


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_reference_names_every_key(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [key for key in keys(schemas()[name]) if f"`{key}`" not in text] == []
