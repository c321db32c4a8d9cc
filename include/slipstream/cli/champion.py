"""``slipstream champion``: which version decides now, or decided then."""

from __future__ import annotations

from typing import Annotated

import typer

from slipstream.cli.common import AsJson, console, print_json, project


def champion(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    *,
    at: Annotated[str | None, typer.Option(help="A time in UTC, for example 2026-03-01T12:00.")] = None,
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
        when = f" at {at}" if at else ""
        console.print(f"{model} has no champion{when}. Trigger {model}.training, or run `make demo`.")
    else:
        console.print(f"{model} version {row.version}, champion since {row.at:%Y-%m-%d %H:%M:%S} UTC, by {row.by}.")
        console.print(row.reason, highlight=False)
    if row is None and not as_json:
        raise typer.Exit(1)
