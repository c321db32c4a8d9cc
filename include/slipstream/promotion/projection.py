"""The alias ``champion`` in MLflow, kept equal to the ledger, which is the truth."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from slipstream.errors import NoChampionError, ServiceError
from slipstream.promotion.history import champion, name_of
from slipstream.promotion.registry import CHAMPION, Registry

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

ATTEMPTS = 10

logger = logging.getLogger(__name__)


def repair(model: Model | str, *, lake: Lake, settings: Settings) -> str | None:
    """Put the alias right where it differs from the ledger, say so in the log, and return the champion's version."""
    return project(model, lake=lake, settings=settings, level=logging.WARNING)


def project(model: Model | str, *, lake: Lake, settings: Settings, level: int = logging.INFO) -> str | None:
    """Make the alias what the ledger says, as the step after a row that changed the champion."""
    name, registry = name_of(model), Registry.from_settings(settings)
    for _ in range(ATTEMPTS):
        row = champion(name, lake=lake)
        wanted = row.version if row else None
        found = registry.version(name, CHAMPION)
        if found == wanted:
            return wanted
        text = "The alias champion of %s points to version %s, the ledger names %s: put right."
        logger.log(level, text, name, found, wanted)
        registry.set_alias(name, CHAMPION, wanted)
        # Read once more: a promotion may have been written between the look at the ledger and the alias.
    message = (
        f"The alias champion of {name!r} was set {ATTEMPTS} times and still differs from the ledger: somebody moves "
        f"it, or MLflow does not keep it. The ledger holds; look for who else sets the alias."
    )
    raise ServiceError(message)


def resolve_champion(model: Model | str, *, lake: Lake, settings: Settings) -> str:
    """Return the champion's version as the ledger has it, mending the alias on the way.

    Raises:
        NoChampionError: Nothing was promoted yet.
    """
    version = repair(model, lake=lake, settings=settings)
    if version is None:
        name = name_of(model)
        message = (
            f"Model {name!r} has no champion yet. Train one (`slipstream run training {name}`) and let the gate decide "
            f"(`slipstream run promotion {name}`)."
        )
        raise NoChampionError(message)
    return version
