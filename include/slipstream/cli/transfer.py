"""``slipstream export`` and ``slipstream import``: a version goes from one registry to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, named_version, print_json, project

if TYPE_CHECKING:
    from slipstream.settings import Settings


def export(
    version: Annotated[str, typer.Argument(help="MODEL@VERSION, or MODEL@ALIAS.")],
    *,
    to: Annotated[Path, typer.Option("--to", help="The archive to write; one that is there is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Write a version with its verdict, its card and what it was made of to one signed archive."""
    from slipstream import transfer

    here = project()
    _with_key(transfer.signing_key, here.settings)
    model, number = named_version(version, here.settings)
    found = transfer.export_version(model, number, to, lake=here.lake, settings=here.settings)
    if as_json:
        print_json(found.as_dict())
        return
    _say(
        f"Wrote {found.file}: {found.model} version {found.version} of the {found.environment} registry "
        f"{found.registry}, {found.verdict}, {found.size:,} bytes."
    )
    _say(f"SHA-256 {found.archive}, signed by the key {found.key[:12]}.")


def import_(
    file: Annotated[Path, typer.Argument(help="The archive.")],
    *,
    promote: Annotated[
        bool,
        typer.Option(
            "--promote", help="Make it champion by the verdict that came with it, where the gate here cannot decide."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check an archive, and register the version in it here, as a challenger.

    Nothing is written unless a trusted key signed every byte and the version fits the model that is defined here.
    """
    from slipstream import transfer
    from slipstream.promotion import champion, promote_imported

    here = project()
    _with_key(transfer.trusted_keys, here.settings)
    found = transfer.import_archive(file, definitions=here.definitions, settings=here.settings)
    if promote:
        promote_imported(here.definitions.model(found.model), found.version, **here.source)
    row = champion(found.model, lake=here.lake)
    holds = row is not None and row.version == found.version
    if as_json:
        print_json({**found.as_dict(), "champion": holds})
        return
    state = "is registered" if found.new else "was registered already"
    _say(f"{found.model} version {found.version} {state}: {found.origin.sentence}.")
    for note in found.notes:
        _say(f"Note: {note}")
    if row is not None and holds:
        _say(f"It is champion since {row.at:%Y-%m-%d %H:%M:%S} UTC, by {row.by}.")
    else:
        _say(f"It is a challenger. Let the gate here judge it: airflow dags trigger {found.model}.promotion")


def _with_key(read: Callable[[Settings], Any], settings: Settings) -> None:
    """Make a key that is missing, or none, wrong usage: nothing else is looked at before."""
    from slipstream.errors import SettingsError

    try:
        read(settings)
    except SettingsError as error:
        raise typer.BadParameter(str(error)) from error


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False)
