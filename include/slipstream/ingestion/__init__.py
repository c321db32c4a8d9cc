"""Batches of a source, from where they land into the lake: nothing bad gets in, nothing is lost.

``look_for_batch`` says whether a batch is there; ``load_batch``, ``validate_batch`` and ``publish_batch`` are the steps
of the DAG, ``ingest`` all three in a row. ``slipstream.ingestion.quarantine`` lists, shows and releases what was set
aside. Names are imported when they are first used, so that a DAG file may import this package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipstream.ingestion.arrival import look_for_batch
    from slipstream.ingestion.batch import Arrival, LoadedBatch, PublishedBatch, ValidatedBatch
    from slipstream.ingestion.connectors.sql import set_connection_resolver
    from slipstream.ingestion.contract import contract_problems
    from slipstream.ingestion.loading import load_batch
    from slipstream.ingestion.pipeline import ingest
    from slipstream.ingestion.publishing import publish_batch
    from slipstream.ingestion.validating import validate_batch

_HOMES = {
    "Arrival": "batch",
    "LoadedBatch": "batch",
    "PublishedBatch": "batch",
    "ValidatedBatch": "batch",
    "contract_problems": "contract",
    "ingest": "pipeline",
    "load_batch": "loading",
    "look_for_batch": "arrival",
    "publish_batch": "publishing",
    "set_connection_resolver": "connectors.sql",
    "validate_batch": "validating",
}

__all__ = [
    "Arrival",
    "LoadedBatch",
    "PublishedBatch",
    "ValidatedBatch",
    "contract_problems",
    "ingest",
    "load_batch",
    "look_for_batch",
    "publish_batch",
    "set_connection_resolver",
    "validate_batch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
