"""``slipstream verdict``: what the gate said of a version, check by check, and where its pages are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, named_version, print_json, project

_STYLES = {"passed": "green", "accepted": "green", "failed": "red", "rejected": "red", "undecided": "yellow"}


def verdict(
    model: Annotated[str, typer.Argument(help="MODEL, MODEL@VERSION or MODEL@ALIAS.")],
    *,
    save: Annotated[
        Path | None, typer.Option("--save", help="A folder for report.html, card.html, card.md and verdict.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the last verdict on a model, or on one version of it, check by check, with links to report and card."""
    from slipstream.promotion.recorded import last_verdict, save_pages

    here = project()
    name, version = named_version(model, here.settings) if "@" in model else (model, None)
    known = name in here.definitions.models
    if not known and version is None and not _has_history(here, name):
        here.definitions.model(name)  # says which names there are
    found = last_verdict(name, version=version, lake=here.lake, settings=here.settings)
    files = save_pages(found.verdict, save, settings=here.settings) if save is not None else []
    told = {**found.as_dict(), "files": [str(file) for file in files]}
    if as_json:
        print_json(told)
        return
    print_verdict(told)
    for file in files:
        console.print(f"Wrote {file}", markup=False, highlight=False)


def _has_history(here: Any, name: str) -> bool:
    from slipstream.promotion import ledger

    return bool(ledger(name, lake=here.lake))


def print_verdict(told: Mapping[str, Any]) -> None:
    """Print a recorded verdict for people: outcome, checks, what followed, links."""
    from rich.text import Text

    against = f"against champion {told['champion']}" if told["champion"] else "with no champion yet"
    compared = told["comparison"]
    console.print(Text(f"{told['model']} version {told['challenger']}, {against}: ", style="bold"), end="")
    console.print(Text(told["outcome"], style=f"bold {_STYLES.get(told['outcome'], '')}"))
    console.print(
        Text(f"  on {compared['rows']:,} rows from {compared['start'][:10]} to {compared['end'][:10]}"), highlight=False
    )
    wide = max((len(check["name"]) for check in told["checks"]), default=0)
    for check in told["checks"]:
        line = Text(f"  {check['name']:<{wide}}  ")
        line.append(f"{check['outcome'].replace('_', ' '):<15}", style=_STYLES.get(check["outcome"], ""))
        console.print(line.append(check["sentence"]), highlight=False)
    if not told["checks"]:
        console.print(Text(f"  {told['reason']}"), highlight=False)
    decision = told["decision"]
    followed = f"{decision['action'].replace('_', ' ')} by {decision['by']}" if decision else "nobody has decided yet"
    console.print(Text(f"  then: {followed}"), highlight=False)
    for name, address in told["links"].items():
        console.print(Text(f"  {name.replace('_', ' ')}: {address}"), highlight=False)
