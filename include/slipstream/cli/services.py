"""`slipstream up` and `slipstream down`, and the services' part of `slipstream status`."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from slipstream.errors import SlipstreamError
from slipstream.settings import get_settings

if TYPE_CHECKING:
    from slipstream.services import ServicesState, Stack

INTERRUPTED = 130


def up(
    *,
    patience: Annotated[float, typer.Option(help="Seconds that the services get to become well.", min=1)] = 300.0,
) -> None:
    """Start PostgreSQL, MLflow and Airflow on this machine and wait until all are well."""
    from slipstream import services

    console = Console()
    try:
        with _signals_interrupt(), Board(console) as board:
            stack = services.start(get_settings(), progress=board.show, patience=patience)
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted: what was started has been stopped again.", style="yellow")
        raise typer.Exit(INTERRUPTED) from None
    except SlipstreamError as error:
        _fail(error)
    console.print(describe(stack), soft_wrap=True)


def down() -> None:
    """Stop all services; nothing is left running."""
    from slipstream import services

    console = Console()
    try:
        with Board(console) as board:
            stopped = services.stop(get_settings(), progress=board.show)
    except SlipstreamError as error:
        _fail(error)
    console.print("All services are stopped." if stopped else "No services were running.")


def describe(stack: Stack) -> Text:
    """Say where a running stack is and how to get in; each on a line of its own that can be copied."""
    head = "Running already" if stack.already_running else f"Running, after {stack.seconds:.0f} s"
    lines = {
        "Airflow": stack.airflow_url,
        "MLflow": stack.mlflow_url,
        "Users": ", ".join(stack.users),
        "Passwords": str(stack.password_file),
        "Shell": f"source {shlex.quote(str(stack.shell_environment))}",
        "Stop": "slipstream down",
    }
    return Text("\n").join([Text(head, style="bold"), *(Text(f"{name:<11}{value}") for name, value in lines.items())])


def services_table(state: ServicesState) -> Table:
    """Show each service's health, address, process and log, for `slipstream status`."""
    table = Table(title="Services", title_justify="left", box=None, pad_edge=False)
    for column in ("Service", "State", "Address", "Process", "Log"):
        table.add_column(column, overflow="fold")
    for service in state.services:
        word, style = ("healthy", "green") if service.healthy else ("starting or hung", "yellow")
        if service.pid is None:
            word, style = "dead", "red"
        table.add_row(service.name, Text(word, style=style), service.address, str(service.pid or ""), service.log)
    if not state.services:
        table.add_row("none", Text("not running; `slipstream up` starts them"), "", "", "")
    return table


class Board:
    """A line for each service that changes in place; on a plain output one line an event."""

    WORDS = {  # noqa: RUF012 - a constant
        "healthy": ("✓", "green", "healthy"),
        "running": ("✓", "green", "runs already"),
        "stopped": ("✓", "green", "stopped"),
        "failed": ("✗", "red", "failed"),
    }

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, Spinner | Text] = {}
        self._since: dict[str, float] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=False) if console.is_terminal else None

    def __enter__(self) -> Board:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._lines = {name: line for name, line in self._lines.items() if isinstance(line, Text)}
            self._live.update(Group(*self._lines.values()))
            self._live.stop()

    def show(self, service: str, event: str) -> None:
        """Show what happened to a service."""
        if event in self.WORDS:
            mark, style, word = self.WORDS[event]
            seconds = f" {time.monotonic() - self._since[service]:.1f} s" if service in self._since else ""
            line: Spinner | Text = Text.assemble((f"{mark} ", style), f"{service:<14} {word}{seconds}")
        else:
            self._since[service] = time.monotonic()
            line = Spinner("dots", text=f"{service:<14} {event}")
        self._lines[service] = line
        if self._live:
            self._live.update(Group(*self._lines.values()))
        elif isinstance(line, Text):
            self._console.print(line)


def _fail(error: SlipstreamError) -> None:
    Console(stderr=True).print(Text(str(error), style="red"), soft_wrap=True)
    raise typer.Exit(1) from None


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end `up` as Ctrl-C does: with everything stopped again."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM] + ([signal.SIGHUP] if sys.platform != "win32" else [])
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
