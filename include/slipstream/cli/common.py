"""What the commands share: the project at hand, and one way to print for people and for scripts."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from slipstream.intervals import iso, utc
from slipstream.settings import Settings, get_settings

if TYPE_CHECKING:
    from slipstream.definitions import Definitions
    from slipstream.lake import Lake, Run

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of text for people.")]

console = Console(soft_wrap=True)

_DAYS = re.compile(r"(\d{4}-\d\d-\d\d)T00:00:00Z/(\d{4}-\d\d-\d\d)T00:00:00Z")


@dataclass(frozen=True)
class Project:
    """The settings, definitions and lake of the folder that the command runs in; each opened when first asked for."""

    settings: Settings

    @cached_property
    def definitions(self) -> Definitions:
        from slipstream.definitions import get_definitions

        return get_definitions(self.settings.definitions)

    @cached_property
    def lake(self) -> Lake:
        from slipstream.lake import Lake

        return Lake.from_settings(self.settings)

    @cached_property
    def run(self) -> Run:
        from slipstream.lake import Run

        return Run.local()

    @property
    def source(self) -> dict[str, Any]:
        """What every stage function wants by keyword."""
        return {"definitions": self.definitions, "lake": self.lake, "settings": self.settings, "run": self.run}


def project() -> Project:
    """Return the project that the command runs in."""
    return Project(get_settings())


def named_version(text: str, settings: Settings) -> tuple[str, str]:
    """Return model and version of ``MODEL@VERSION``; an alias stands for the version that it points to."""
    from slipstream.errors import NotFoundError
    from slipstream.lake import Lake
    from slipstream.promotion import Registry, resolve_champion

    model, _, version = text.partition("@")
    if not model or not version:
        message = f"Wanted MODEL@VERSION, for example arrival_delay@1 or arrival_delay@champion; found {text!r}."
        raise typer.BadParameter(message)
    if version.isdecimal():
        return model, version
    if version == "champion":  # the ledger knows better than the alias, which is put right on the way
        return model, resolve_champion(model, lake=Lake.from_settings(settings), settings=settings)
    found = Registry.from_settings(settings).version(model, version)
    if found is None:
        message = f"Model {model!r} has no version with the alias {version!r}. `slipstream status` shows its champion."
        raise NotFoundError(message)
    return model, found


def print_json(value: Any) -> None:
    """Print ``value`` as JSON in a stable order; NaN and infinity, which JSON does not have, become null."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, sort_keys=True, default=str, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return iso(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_records(title: str, rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows as a table where it fits the screen, else one below the other, a column a line."""
    widths = [max(len(name), *(len(_cell(row[name])) for row in rows)) for name in rows[0]] if rows else []
    if sum(widths) + len(widths) <= console.width:
        print_table(title, rows, empty=empty)
        return
    for number, row in enumerate(rows, start=1):
        console.print(f"{title}, row {number}", style="bold", highlight=False)
        for name, value in row.items():
            console.print(f"  {name:<{max(map(len, row))}}  {_cell(value)}", markup=False, highlight=False)


def print_table(title: str, rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows under the keys of the first one; ``empty`` where there is none."""
    if not rows:
        console.print(empty)
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numbers = all(isinstance(row[name], int | float) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return iso(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else short_interval(str(value))


def short_interval(text: str) -> str:
    """Return an interval of whole UTC days as ``--interval`` takes it: 2013-01-31, or 2013-02-04/2013-02-11."""
    found = _DAYS.fullmatch(text)
    if found is None:
        return text
    start, end = found.groups()
    return start if utc(end) - utc(start) == timedelta(days=1) else f"{start}/{end}"
