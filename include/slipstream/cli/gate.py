"""``slipstream gate``: how far the gate's own test can be trusted."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipstream.cli.common import AsJson, console, print_json, print_table, project

if TYPE_CHECKING:
    from slipstream.training.selftest import SelfTest

app = typer.Typer(help="Look at the gate itself.", no_args_is_help=True)
WIDTH = 30


@app.callback()
def gate() -> None:
    """Look at the gate itself."""


@app.command()
def selftest(
    model: Annotated[str, typer.Argument(help="The model.")],
    *,
    simulations: Annotated[int, typer.Option(min=100, help="How many decisions of each kind.")] = 1000,
    effect: Annotated[
        list[float] | None,
        typer.Option(min=0, help="A relative improvement of the loss to inject, such as 0.02; may be given again."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="A version whose later history is used. Default: of all champions the longest.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of fits and drawing. Default: the model's.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the power curve into this file, such as power.svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate decisions on the model's own history: how often are equals promoted, and how often real gains?"""
    from slipstream.cli.demo import Bars
    from slipstream.promotion.selftest import EFFECTS
    from slipstream.training import selftest_gate

    here = project()
    definition = here.definitions.model(model)
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), Bars() as bars:

        def show(step: str, done: int, total: int) -> None:
            bars.step(step, total)
            bars.advance(step, done)

        found = selftest_gate(
            definition,
            definitions=here.definitions,
            lake=here.lake,
            settings=here.settings,
            simulations=simulations,
            effects=tuple(effect or EFFECTS),
            version=version,
            seed=seed,
            show=show,
        )
    if picture is not None:
        from slipstream.training.pictures import draw_power

        draw_power(found, picture)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    if not found.holds:
        raise typer.Exit(1)


def _print(found: SelfTest) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    say(
        f"metric_gain of {found.model}: {found.mode.replace('_', '-')}, {found.metric}, more than {found.threshold:+g} "
        f"at alpha {found.alpha:g}, {found.resamples:,} resamples."
    )
    say(
        f"{found.simulations:,} decisions of each kind, on {found.window_blocks} blocks of time drawn from "
        f"{found.blocks} with {found.rows:,} rows, {found.start:%Y-%m-%d} to {found.end:%Y-%m-%d}; seed {found.seed}."
    )
    say(
        f"Version {found.version} against itself: a gain of {found.self_gain:g}, promoted in "
        f"{found.self_promotion_rate:.1%} of the decisions."
    )
    words = {"seed": "fits of other seeds", "days": "fits on redrawn days"}
    rows = [
        {
            "equals": words[each.name] + (" (identical)" if each.identical else ""),
            "promoted": f"{each.false_promotion_rate:.1%}",
            "at most": f"{found.bound:.1%}",
            "lag one": f"{each.lag_one:+.2f}",
        }
        for each in found.equals
    ]
    print_table("False promotions", rows, empty="")
    curve = [
        {
            "loss lower by": f"{effect.effect:.1%}",
            **{f"promoted, {each.name}": f"{each.power[place].rate:.1%}" for each in found.equals if each.power},
            "": "█" * round(effect.rate * WIDTH),
        }
        for place, effect in enumerate(found.power)
    ]
    print_table("Power", curve, empty="There is no power to show: the fits are identical.")
    say(
        f"{'It holds' if found.holds else 'It does NOT hold'}: {found.false_promotion_rate:.1%} of equals are "
        f"promoted; alpha is {found.alpha:.1%}, and with chance on top at most {found.bound:.1%}."
    )
