"""``slipstream example publish``: real flights into the landing folder, day by day."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from slipstream.cli.common import AsJson, console, print_json, project

app = typer.Typer(help="The worked example: flights out of New York in 2013.", no_args_is_help=True)

Day = Annotated[
    datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of flights, for example 2013-01-01.")
]
LastDay = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of flights, included.")]


@app.callback()
def _group() -> None:
    """The worked example: flights out of New York in 2013."""


@app.command()
def publish(first: Day, last: LastDay, *, as_json: AsJson = False) -> None:
    """Put into the landing folder what the airlines would have sent for each day."""
    from rich.progress import Progress

    from slipstream.example import publish as publish_days

    with Progress(console=console, disable=as_json or not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("Publishing", total=None)
        done = publish_days(
            first.date(),
            last.date(),
            settings=project().settings,
            progress=lambda *_: progress.advance(bar),
        )
    if as_json:
        print_json(done.as_dict())
    else:
        rows = ", ".join(f"{count:,} rows of {name}" for name, count in done.rows.items())
        console.print(
            f"{done.files} files in {done.landing} ({done.written} written, {done.unchanged} as they were): {rows}."
        )
