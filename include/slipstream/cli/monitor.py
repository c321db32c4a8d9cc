"""``slipstream monitor selftest``: what monitoring finds at its settings, and what it takes for a finding."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, print_json, print_table, project

app = typer.Typer(help="Find out how well a model is watched.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Find out how well a model is watched."""


@app.command()
def selftest(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="A model, for example arrival_delay.")],
    *,
    version: Annotated[
        str | None, typer.Option("--version", help="Of which version's reference sample; without: the champion's.")
    ] = None,
    years: Annotated[float, typer.Option("--years", min=0.1, help="So long without a shift.")] = 5,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How often each shift is injected.")] = 40,
    patience: Annotated[int, typer.Option("--patience", min=1, help="Windows that a trial waits for an alarm.")] = 14,
    block: Annotated[int, typer.Option("--block", min=1, help="Days of the reference that stay together.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same numbers.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Count false alarms a year where nothing shifts, and the windows until an alarm where something does.

    Windows are drawn from the reference sample of a version and judged with the settings of model.yaml. Nothing is
    written.
    """
    from rich.progress import Progress

    from slipstream.monitoring.selftest import selftest as run
    from slipstream.promotion import Registry, resolve_champion

    here = project()
    model = here.definitions.model(name)
    registry = Registry.from_settings(here.settings)
    number = version or resolve_champion(model, lake=here.lake, settings=here.settings)
    with Progress(console=console, disable=as_json or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Drawing windows", total=None)
        found = run(
            model,
            str(number),
            registry=registry,
            years=years,
            trials=trials,
            patience=patience,
            block=block,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print_json(found.as_dict())
        return
    _show(found)


def _show(found: Any) -> None:
    console.print(
        f"{found.model} version {found.version}: windows of {found.per_window:,} rows, drawn from a reference of "
        f"{found.rows:,} rows of {found.days} days.",
        highlight=False,
    )
    console.print()
    alarms = {"any alarm" if kind == "any" else kind: count for kind, count in found.false_alarms.items()}
    rows = [{"without a shift": kind, "alarms a year": float(count)} for kind, count in alarms.items()]
    print_table(f"False alarms in {found.years:g} years", rows, empty="")
    console.print()
    caught = [
        {
            "shift": each.shift,
            "of": each.column,
            "windows until the alarm": f"{each.windows:g}" if each.windows is not None else "-",
            "never": f"{each.never:.0%}",
            "found by": each.by,
        }
        for each in found.shifts
    ]
    print_table(f"Shifts, {found.trials} trials of {found.patience} windows each", caught, empty="")
