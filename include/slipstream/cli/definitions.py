"""``slipstream check`` and ``slipstream new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from slipstream.cli.common import AsJson, console, print_json, project

if TYPE_CHECKING:
    from slipstream.checking import CheckReport


def check(
    path: Annotated[Path | None, typer.Argument(help="A project or its include folder. Default: this project.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every source, view and model, and name every problem at once."""
    from slipstream.checking import check_definitions, find_root

    settings = project().settings
    report = check_definitions(find_root(path or settings.definitions), settings=settings)
    if as_json:
        print_json(report.as_dict())
    else:
        _print_report(report)
    if not report.ok:
        raise typer.Exit(1)


def _print_report(report: CheckReport) -> None:
    file = None
    for problem in report.problems:
        if problem.file != file:
            file = problem.file
            console.print(Text(file, style="bold"))
        place = f"  line {problem.line}  " if problem.line else "  "
        line = Text.assemble(place, (problem.path or "(file)", "cyan"), f"  {problem.message}")
        if problem.nearest:
            line.append(f" Did you mean {problem.nearest!r}?", style="yellow")
        console.print(line)
    counted = ", ".join(
        f"{number} {name if number != 1 else name.removesuffix('s')}" for name, number in report.counts.items()
    )
    if report.ok:
        console.print(Text(f"All is well: {counted}.", style="green"))
        return
    number, files = len(report.problems), len({problem.file for problem in report.problems})
    console.print(
        Text(f"{number} problem{'s' * (number != 1)} in {files} file{'s' * (files != 1)} ({counted}).", style="red")
    )


new = typer.Typer(
    no_args_is_help=True, help="Write the folder of a new source, view or model: a small example that runs."
)
Name = Annotated[str, typer.Argument(help="Lower-case letters, digits and _, a letter first.")]
Into = Annotated[Path | None, typer.Option("--into", help="The definitions root. Default: this project's include.")]
OfSource = Annotated[str | None, typer.Option("--source", help="The source that it reads. Default: the first one.")]


@new.command("source")
def new_source(name: Name, into: Into = None) -> None:
    """Write a source: files that arrive once a day, and what is expected of them."""
    from slipstream import templates

    _say_written(templates.new_source(_root(into), name))


@new.command("view")
def new_view(name: Name, source: OfSource = None, into: Into = None) -> None:
    """Write a feature view of a source."""
    from slipstream import templates

    _say_written(templates.new_view(_root(into), name, source=source))


@new.command("model")
def new_model(
    name: Name,
    view: Annotated[str | None, typer.Option("--view", help="The view whose features it uses.")] = None,
    source: OfSource = None,
    into: Into = None,
) -> None:
    """Write a model that uses the features of a view."""
    from slipstream import templates

    _say_written(templates.new_model(_root(into), name, view=view, source=source))


def _root(into: Path | None) -> Path:
    return into or project().settings.definitions


def _say_written(folder: Path) -> None:
    console.print(Text(f"{folder} is written:", style="green"))
    for file in sorted(folder.iterdir()):
        console.print(f"  {file.name}")
    console.print("Make it yours, then run: slipstream check")
