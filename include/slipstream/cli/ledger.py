"""``slipstream ledger``: every decision about a model, those that changed nothing too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, print_json, print_records, project
from slipstream.intervals import utc

if TYPE_CHECKING:
    from slipstream.promotion import LedgerRow


def ledger(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    *,
    as_json: AsJson = False,
) -> None:
    """List who was champion, when, why and by whom, oldest first; also what was rejected or left undecided."""
    from slipstream import promotion

    here = project()
    rows = promotion.ledger(model, lake=here.lake)
    if not rows:
        here.definitions.model(model)  # a model that was taken away keeps its history; a name that never was has none
    if as_json:
        print_json([row.as_dict() for row in rows])
        return
    empty = f"Nothing was ever decided about {model}. Trigger {model}.training, or run `make demo`."
    print_records(f"Decisions about {model}", [_shown(row) for row in rows], empty=empty)


def _shown(row: LedgerRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": row.at.replace(microsecond=0),
        "decision": row.action.replace("_", " "),
        "challenger": row.challenger,
        "champion": row.version,
        "before": row.replaces,
        "by": row.by,
        "approval": _answer(row),
        "reason": row.reason,
    }


def _answer(row: LedgerRow) -> str | None:
    """Return what a person said, who and when; None where nobody was asked."""
    if row.approval is None:
        return None
    said = "no answer" if row.approval["answer"] == "none" else f"{row.approval['answer']} by {row.approval['by']}"
    return f"{said}, {utc(row.approval['at']):%Y-%m-%d %H:%M:%S} UTC"
