"""``slipstream champion``: which version decides now, or decided then; and the alias put right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from slipstream.cli.common import AsJson, console, print_json, project

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake


class ShowByDefault(TyperGroup):
    """Reads ``champion MODEL`` as ``champion show MODEL``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ShowByDefault,
    no_args_is_help=True,
    help="Say which version is champion: `slipstream champion MODEL [--at TIME]`; or put the alias right.",
)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    *,
    at: Annotated[
        str | None, typer.Option(help="When decisions were made, in UTC; for example 2026-03-01T12:00.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which version of a model is champion, since when, why and by whom; with --at, at that time.

    The word `show` may be left out.
    """
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


@app.command()
def repair(
    model: Annotated[str | None, typer.Argument(help="One model; without, every model.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make the alias champion in MLflow what the ledger says, where it is not."""
    from slipstream import promotion
    from slipstream.promotion import history

    here = project()
    decided = history.models(lake=here.lake)
    if model is not None and model not in decided:
        here.definitions.model(model)  # a model that was taken away keeps its champion; a name that never was has none
    registry, results = promotion.Registry.from_settings(here.settings), []
    for name in [model] if model else sorted({*decided, *here.definitions.models}):
        found = registry.version(name, "champion")
        wanted = promotion.repair(name, lake=here.lake, settings=here.settings)
        results.append({"model": name, "champion": wanted, "alias_before": found, "repaired": found != wanted})
    if as_json:
        print_json(results)
        return
    for result in results:
        console.print(_repaired(result), highlight=False)


def _repaired(result: dict[str, Any]) -> str:
    champion = f"version {result['champion']}" if result["champion"] else "no champion"
    if not result["repaired"]:
        return f"{result['model']}: the ledger names {champion}, and so does the alias."
    found = f"pointed to version {result['alias_before']}" if result["alias_before"] else "was missing"
    return f"{result['model']}: the alias {found}, the ledger names {champion}: put right."


def _none(model: Model, lake: Lake, at: str | None) -> str:
    """Say that there is no champion, and where there was one later, since when."""
    from slipstream import promotion

    later = [row for row in promotion.ledger(model, lake=lake) if row.action == "promoted"] if at else []
    if later:
        return f"{model.name} had no champion at {at}; its first one came at {later[0].at:%Y-%m-%d %H:%M:%S} UTC."
    return f"{model.name} has no champion. Trigger {model.name}.training, or run `make demo`."
