"""Which features are personal data, told from the columns of the sources that a view is made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstream.definitions.loading import Definitions


def personal_features(columns: Iterable[str], definitions: Definitions) -> frozenset[str]:
    """Return those feature columns (``view__feature``) that bear the name of a personal column they may come from."""
    found = set()
    for column in columns:
        view, _, feature = column.partition("__")
        if feature in _personal_columns(f"features/{view}", definitions, frozenset()):
            found.add(column)
    return frozenset(found)


def _personal_columns(table: str, definitions: Definitions, seen: frozenset[str]) -> set[str]:
    kind, _, name = table.partition("/")
    if kind == "raw" and name in definitions.sources:
        return {column for column, each in definitions.sources[name].columns.items() if each.personal}
    if kind != "features" or name not in definitions.views or table in seen:
        return set()
    inputs = {each.table for each in definitions.views[name].inputs.values()}
    return {column for each in inputs for column in _personal_columns(each, definitions, seen | {table})}
