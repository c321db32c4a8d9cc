"""How a version that was trained elsewhere becomes champion here, where this side's own gate cannot decide.

Its own gate judges an imported version as any other challenger. Only where there is no champion yet, or the gate found
no rows to decide on, may the other side's acceptance count; it is then written to the ledger by the same ``promote``,
under the same conditions.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from slipstream.errors import VerdictError
from slipstream.promotion.approval import IMPORTED, undecided_here
from slipstream.promotion.history import LedgerRow, last_change, ledger
from slipstream.promotion.origin import FOLDER
from slipstream.promotion.projection import repair
from slipstream.promotion.promoting import promote
from slipstream.promotion.recording import DOCUMENT, record_verdict
from slipstream.promotion.registry import Registry
from slipstream.promotion.verdict import Verdict

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake, Run
    from slipstream.promotion.registry import VersionDetails
    from slipstream.settings import Settings


def promote_imported(
    model: Model,
    version: str,
    *,
    lake: Lake,
    settings: Settings,
    run: Run,
    definitions: Definitions | None = None,
    by: str | None = None,
) -> LedgerRow:
    """Make an imported version the champion by the verdict that came with it, and return the ledger's row.

    Once more, it returns the row that is there.

    Raises:
        VerdictError: The version was trained here; its verdict is no acceptance; the definition wants an approval; or
            this side has a champion and its own gate has not looked at the version, or has decided about it.
        NotFoundError: There is no such version.
    """
    registry = Registry.from_settings(settings)
    details = registry.details(model.name, version)
    rows = ledger(model, lake=lake)
    last = last_change(rows)
    if last is not None and last.version == details.version:
        return last
    verdict = _translated(details, registry, champion=repair(model, lake=lake, settings=settings))
    if not verdict.accepted:
        message = f"{model.name} version {version} is not promoted by the verdict that came with it. {verdict.reason}"
        raise VerdictError(message)
    if model.approval.required:
        message = (
            f"{model.name} wants a person's yes, which is asked for a verdict of this side's gate only. "
            f"Run {model.name}.promotion."
        )
        raise VerdictError(message)
    undecided_here(rows, verdict)  # before the record; promote asks again in the step that writes
    record_verdict(verdict, model, None, settings=settings, definitions=definitions)
    return promote(model, verdict, lake=lake, settings=settings, run=run, by=by)


def _translated(details: VersionDetails, registry: Registry, *, champion: str | None) -> Verdict:
    """Return the verdict that came with a version, about its number here and the champion of here.

    Its table versions are left out, for they are those of another lake.
    """
    text = registry.document(details.run_id, f"{FOLDER}/{DOCUMENT}") if details.origin else None
    if text is None or details.origin is None:
        message = (
            f"{details.model} version {details.version} was trained here, so no verdict came with it. "
            f"Run {details.model}.promotion."
        )
        raise VerdictError(message)
    there, origin = Verdict.from_dict(json.loads(text)), details.origin
    comparison = dataclasses.replace(
        there.comparison,
        challenger=details.version,
        champion=champion,
        run_id=details.run_id,
        versions={},
        path="",
    )
    return dataclasses.replace(
        there,
        challenger=details.version,
        champion=champion,
        comparison=comparison,
        reason=f"It was {origin.sentence}. That verdict, not one of this side's gate: {there.reason}",
        rules={**there.rules, IMPORTED: origin.as_dict()},
    )
