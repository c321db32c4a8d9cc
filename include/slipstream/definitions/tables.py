"""From a lake table's name back to the definition that writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slipstream.errors import DefinitionError
from slipstream.intervals import Schedule

if TYPE_CHECKING:
    from slipstream.definitions.loading import Definitions
    from slipstream.definitions.model import Model
    from slipstream.definitions.source import Source
    from slipstream.definitions.view import View


def table_definition(definitions: Definitions, table: str) -> Source | View | Model:
    """Return who writes ``table``, e.g. the source of ``raw/movements``; DefinitionError where nobody does."""
    kind, _, name = table.partition("/")
    groups: dict[str, Mapping[str, Any]] = {
        "raw": definitions.sources,
        "quarantine": definitions.sources,
        "features": definitions.views,
        "predictions": definitions.models,
        "monitoring": definitions.models,
    }
    group: Mapping[str, Any] = groups.get(kind, {})
    if name not in group:
        from slipstream.definitions.problem import nearest

        close = nearest(name, group)
        hint = f" Did you mean {kind}/{close}?" if close else ""
        message = f"No definition writes the table {table!r}; {kind or 'it'} has {sorted(group) or 'none'}.{hint}"
        raise DefinitionError(message)
    definition: Source | View | Model = group[name]
    return definition


def table_cron(definitions: Definitions, table: str) -> Schedule:
    """Return the schedule whose intervals ``table`` is written in."""
    definition = table_definition(definitions, table)
    if table.startswith("monitoring/"):
        return Schedule(definition.monitoring.schedule)  # type: ignore[union-attr]
    return definition.cron
