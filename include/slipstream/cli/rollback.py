"""``slipstream rollback``: back to an earlier champion, in one step."""

from __future__ import annotations

from typing import Annotated

import typer

from slipstream.cli.common import AsJson, console, print_json, project


def rollback(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, in a sentence; the ledger keeps it.")],
    to: Annotated[
        str | None, typer.Option(help="The version to restore; without, the champion before this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier champion the champion again; the ledger gets a row with your name and reason."""
    from slipstream import promotion

    here = project()
    row = promotion.rollback(
        here.definitions.model(model), reason=reason, to=to, lake=here.lake, settings=here.settings, run=here.run
    )
    if as_json:
        print_json(row.as_dict())
        return
    console.print(f"{model} version {row.version} is champion again, in place of version {row.replaces}, by {row.by}.")
