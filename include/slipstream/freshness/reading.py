"""Which intervals of which tables an interval of any table is made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from slipstream.features import Needed, model_inputs, view_inputs
from slipstream.features.inputs import using_views
from slipstream.monitoring.inputs import inputs_read, inputs_since, watched_since

if TYPE_CHECKING:
    from slipstream.definitions import Definitions
    from slipstream.intervals import Interval
    from slipstream.lake import Lake

Watched = Mapping[str, datetime | None]
"""Model to the time (UTC) since which it is watched; None before it had a champion."""


def read_by(definitions: Definitions, table: str) -> set[str]:
    """Return the tables that ``table`` is made from."""
    kind, _, name = table.partition("/")
    if kind == "raw":
        return set()
    if kind == "features":
        return {each.table for each in definitions.view(name).inputs.values()}
    model = definitions.model(name)
    below = {each.table for each in model.population.inputs.values()} | {f"features/{view}" for view in model.views}
    return below | ({model.table} if kind == "monitoring" else set())


def watched_models(definitions: Definitions, lake: Lake) -> Watched:
    """Return since when each model is watched; the ledger is read once a model."""
    return {name: watched_since(model, lake=lake) for name, model in definitions.models.items()}


def waits_for(definitions: Definitions, table: str, interval: Interval, watched: Watched) -> list[Needed]:
    """Return what has to be complete before ``interval`` of ``table`` can be made; nothing for a source."""
    kind, _, name = table.partition("/")
    if kind == "features":
        return view_inputs(definitions.view(name), interval, definitions=definitions)
    if kind == "predictions":
        return model_inputs(definitions.model(name), interval, definitions=definitions)
    if kind == "monitoring":
        return inputs_since(definitions.model(name), interval, watched[name], definitions=definitions)
    return []


def was_read(
    definitions: Definitions, table: str, interval: Interval, tables: Collection[str], watched: Watched
) -> list[Needed]:
    """Return what ``interval`` of ``table`` was made from, given the ``tables`` that its commit names.

    A version reads the features that it was trained on, which need not be those of today's model.yaml.
    """
    kind, _, name = table.partition("/")
    if kind == "features":
        return waits_for(definitions, table, interval, watched)
    if kind == "monitoring":
        return inputs_read(definitions.model(name), interval, watched[name], tables, definitions=definitions)
    model = using_views(definitions.model(name), tables, definitions)
    return [each for each in model_inputs(model, interval, definitions=definitions) if each.table in tables]


def definition_digest(definitions: Definitions, table: str) -> str | None:
    """Return the digest that a commit of today would record, None where a change of it makes nothing stale.

    What was accepted or decided under the rules of its time stays so: a source's contract, a threshold of monitoring.
    """
    if table.startswith("features/"):
        return definitions.view(table.removeprefix("features/")).digest
    if table.startswith("predictions/"):
        return definitions.model(table.removeprefix("predictions/")).scoring_digest
    return None
