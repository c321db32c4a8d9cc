"""``slipstream replay``: a version made again, and compared with what it was."""

from __future__ import annotations

from typing import Annotated

import typer

from slipstream.cli.common import AsJson, console, named_version, print_json, print_records, project


def replay(
    version: Annotated[str, typer.Argument(help="MODEL@VERSION, or MODEL@ALIAS.")],
    *,
    recorded_code: Annotated[
        bool, typer.Option("--recorded-code", help="Run an estimator.py that only the registry has. Read it first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild a version's training set, fit it again, and say what differs from what was recorded, in any bit."""
    from slipstream import training

    here = project()
    model, number = named_version(version, here.settings)
    found = training.replay_version(
        model,
        number,
        definitions=here.definitions,
        lake=here.lake,
        settings=here.settings,
        recorded_code=recorded_code,
    )
    if as_json:
        print_json(found.as_dict())
    else:
        rows = [{"what": each.name, "is": each.outcome.replace("_", " "), "": each.sentence} for each in found.findings]
        print_records(f"{model} version {number}, replayed", rows, empty="Nothing was compared.")
        for line in found.surroundings:
            console.print(f"Not as it was then: {line}.", markup=False, highlight=False)
    if not found.ok:
        raise typer.Exit(1)
