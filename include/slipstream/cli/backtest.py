"""``slipstream backtest``: policies of retraining, replayed side by side over a past year."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, print_json, print_table, project

if TYPE_CHECKING:
    from slipstream.backtest import Study
    from slipstream.intervals import Interval


def backtest(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    *,
    start: Annotated[str, typer.Option("--from", help="First day (UTC): the first version is trained at its start.")],
    end: Annotated[str, typer.Option("--to", help="Last day (UTC), included; its labels must be known by now.")],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="A policy file, or never, monthly, weekly or alarms; give it again for more. Default: all four.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare policies of retraining over a past time, with the calls of the DAGs; nothing but its own folder changes.

    What was worked out is kept, so that a backtest that was killed goes on where it was.
    """
    from slipstream.backtest import backtest as replay
    from slipstream.backtest import load_policies
    from slipstream.cli.demo import Bars

    here, span = project(), _span(start, end)
    definition, policies = here.definitions.model(model), load_policies(policy or [])
    source: dict[str, Any] = {"definitions": here.definitions, "lake": here.lake, "settings": here.settings}
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), Bars() as bars:
        found = replay(definition, span, policies, show=bars, **source)
    if as_json:
        print_json(found.as_dict())
        return
    _print(found)


def _span(start: str, end: str) -> Interval:
    from slipstream.intervals import Interval, utc

    first, last = utc(start), utc(end)
    if last < first:
        message = f"--to is the last day and not before --from; found {start} to {end}."
        raise typer.BadParameter(message)
    return Interval(first, last + timedelta(days=1))


def _print(found: Study) -> None:
    from slipstream.backtest.pictures import name_of, summary, told

    for run in found.runs:
        print_table(f"{name_of(run)}, by month", [told(month) for month in run["months"]], empty="")
        console.print()
    print_table("Over the whole time", summary(found), empty="")
    for run in found.runs:
        harmful: list[dict[str, Any]] = [each for each in run["promotions"] if each["harmful"]]
        for each in harmful:
            console.print(
                f"{name_of(run)}: promoting {each['new']} did harm: in the 30 days from {each['from']} its loss was "
                f"{-each['gain']:.4f} above that of {each['old']}, at least {-each['upper']:.4f}.",
                highlight=False,
            )
    console.print(f"\nCurves and page: {found.folder}", highlight=False)
