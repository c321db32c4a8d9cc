"""``slipstream champion``: which version decides now, or decided then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from slipstream.cli.common import AsJson, console, print_json, project

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake


def champion(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    *,
    at: Annotated[
        str | None, typer.Option(help="When decisions were made, in UTC; for example 2026-03-01T12:00.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which version of a model is champion, since when, why and by whom; with --at, at that time."""
    from slipstream import promotion
    from slipstream.intervals import utc

    here = project()
    definition = here.definitions.model(model)
    row = promotion.champion(definition, lake=here.lake, at=utc(at) if at else None)
    if as_json:
        print_json(row.as_dict() if row else {"model": model, "version": None})
    elif row is None:
        console.print(_none(definition, here.lake, at))
    else:
        console.print(f"{model} version {row.version}, champion since {row.at:%Y-%m-%d %H:%M:%S} UTC, by {row.by}.")
        console.print(row.reason, highlight=False)
    if row is None and not as_json:
        raise typer.Exit(1)


def _none(model: Model, lake: Lake, at: str | None) -> str:
    """Say that there is no champion, and where there was one later, since when."""
    from slipstream import promotion

    later = [row for row in promotion.ledger(model, lake=lake) if row.action == "promoted"] if at else []
    if later:
        return f"{model.name} had no champion at {at}; its first one came at {later[0].at:%Y-%m-%d %H:%M:%S} UTC."
    return f"{model.name} has no champion. Trigger {model.name}.training, or run `make demo`."
