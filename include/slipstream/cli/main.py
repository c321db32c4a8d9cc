"""The ``slipstream`` command: what Airflow does, from a shell, and what a person asks of it."""

from __future__ import annotations

import sys
from importlib import import_module
from keyword import iskeyword
from typing import Annotated

import typer

from slipstream import __version__
from slipstream.errors import RetriableError, SlipstreamError

EX_FAILED, EX_TRY_AGAIN = 1, 75

app = typer.Typer(
    name="slipstream",
    help="Keep the best model in production: data, features, training, promotion, scoring, monitoring.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

# Where each command lives: its module is imported at start, so the modules import nothing heavy at their top.
COMMANDS = {
    "Services": (("up", "services"), ("down", "services"), ("status", "status")),
    "Definitions": (("check", "definitions"), ("new", "definitions")),
    "Data": (
        ("example", "example"),
        ("quarantine", "quarantine"),
        ("lake", "lake"),
        ("stale", "freshness"),
        ("gaps", "freshness"),
        ("erase", "erase"),
    ),
    "Models": (
        ("run", "run"),
        ("verdict", "verdict"),
        ("champion", "champion"),
        ("ledger", "ledger"),
        ("rollback", "rollback"),
        ("export", "transfer"),
        ("import", "transfer"),
        ("lineage", "lineage"),
        ("replay", "replay"),
        ("backtest", "backtest"),
        ("monitor", "monitor"),
        ("explain", "explain"),
        ("gate", "gate"),
        ("demo", "demo"),
    ),
}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"slipstream {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Exit codes: 0 well, 1 failed, 2 wrong usage, 75 try again later."""


def _mount() -> None:
    for panel, commands in COMMANDS.items():
        for name, module in commands:
            found = import_module(f"slipstream.cli.{module}")
            part = getattr(found, "app", None) or getattr(found, f"{name}_" if iskeyword(name) else name)
            if isinstance(part, typer.Typer):
                app.add_typer(part, name=name, rich_help_panel=panel)
            else:
                app.command(name, rich_help_panel=panel)(part)


_mount()


def main() -> None:
    """Run the command; an error of ours is a message on standard error, not a traceback."""
    try:
        app()
    except SlipstreamError as error:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, soft_wrap=True).print(Text(str(error), style="red"))
        sys.exit(EX_TRY_AGAIN if isinstance(error, RetriableError) else EX_FAILED)
