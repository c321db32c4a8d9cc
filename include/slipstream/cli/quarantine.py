"""``slipstream quarantine list|show|release``: what was set aside, why, and how it gets back in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, print_json, print_table, project
from slipstream.errors import ReleaseError

app = typer.Typer(help="Look at rows that were set aside, and let corrected ones back in.", no_args_is_help=True)

ID = "_id"
SourceName = Annotated[str, typer.Argument(help="A source, for example movements.")]
When = Annotated[str, typer.Option("--interval", help="The batch's interval: 2013-01-31, or START/END.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this row; may be given more than once.")]


@app.command("list")
def list_(
    source: Annotated[str | None, typer.Argument(help="A source; all of them without.")] = None,
    *,
    start: Annotated[str | None, typer.Option("--from", help="Intervals from this day on.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Intervals before this day.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the intervals that have rows in quarantine, with the rules that these broke."""
    from slipstream.ingestion.quarantine import list_quarantine
    from slipstream.intervals import utc

    here = project()
    if source is not None:
        here.definitions.source(source)
    bounds = {"start": utc(start) if start else None, "end": utc(end) if end else None}
    found = [each.as_dict() for each in list_quarantine(here.lake, source, **bounds)]
    if as_json:
        print_json(found)
        return
    for row in found:
        row["reasons"] = ", ".join(f"{rule} {rows:,}" for rule, rows in row["reasons"].items())
    print_table("Quarantine", found, empty="Nothing is in quarantine.")


@app.command()
def show(
    source: SourceName,
    *,
    interval: When,
    ids: Ids = None,
    corrections: Annotated[
        bool, typer.Option("--corrections", help="Print JSON Lines to edit and give to `release --with`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print quarantined rows of an interval: where they stood, what is wrong, and the raw record."""
    from slipstream.ingestion.quarantine import show as read
    from slipstream.intervals import Interval

    here = project()
    here.definitions.source(source)
    rows = read(source, Interval.parse(interval), lake=here.lake, ids=tuple(ids or ()))
    if corrections:
        for row in rows:
            sys.stdout.write(_template(row) + "\n")
    elif as_json:
        print_json(rows)
    else:
        shown = ("id", "file", "line", "column", "value", "reason", "released")
        print_table(
            f"{source} {interval}",
            [{name: row[name] for name in shown} for row in rows],
            empty=f"{source} has nothing in quarantine in {interval}.",
        )
        for row in rows if ids else ():
            console.print(f"\n{row['id']} as it stood, set aside by run {row['run'].get('run_id', '-')}:")
            console.print(row["raw"], markup=False, highlight=False)


def _template(row: dict[str, Any]) -> str:
    record = json.loads(row["corrected"] or row["raw"])
    return json.dumps({ID: row["id"], **(record if isinstance(record, dict) else {})}, ensure_ascii=False)


@app.command()
def release(
    source: SourceName,
    *,
    interval: When,
    ids: Ids = None,
    with_: Annotated[
        Path | None, typer.Option("--with", help=f"JSON Lines; each has {ID} and the columns to change.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="COLUMN=VALUE for the rows named by --id; empty means null.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let corrected rows back into their interval, exactly once; all of those named, or none."""
    from slipstream.ingestion.quarantine import release as let_in
    from slipstream.intervals import Interval

    here = project()
    corrections = _read_corrections(with_) if with_ else _set_columns(ids, set_)
    if with_ and ids:
        corrections = {id_: values for id_, values in corrections.items() if id_ in ids}
    released = let_in(
        here.definitions.source(source), Interval.parse(interval), corrections, lake=here.lake, run=here.run
    )
    if as_json:
        print_json(released.as_dict())
        return
    what = "are in" if released.changed else "were in"
    console.print(
        f"{len(released.ids)} row(s) {what} {source} {released.interval}"
        f"{'' if released.changed else ' already; nothing changed'}. "
        f"It has {released.accepted:,} rows, and {released.quarantined:,} in quarantine."
    )


def _read_corrections(path: Path) -> dict[str, dict[str, Any]]:
    """Read corrections by id; ReleaseError names the line that is none."""
    corrections: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"The corrections {path} cannot be read: {error}."
        raise ReleaseError(message) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            id_ = str(record.pop(ID))
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            message = (
                f"{path}:{number}: wanted a JSON object with {ID!r} and the columns to change, found {line[:80]!r}."
            )
            raise ReleaseError(message) from error
        if id_ in corrections:
            message = f"{path}:{number}: the row {id_} stands there twice. Keep one line a row."
            raise ReleaseError(message)
        corrections[id_] = record
    return corrections


def _set_columns(ids: list[str] | None, settings: list[str] | None) -> dict[str, dict[str, Any]]:
    if not ids or not settings:
        message = "Say which rows and what changes: --id ID --set COLUMN=VALUE, or --with corrected.jsonl."
        raise ReleaseError(message)
    values: dict[str, Any] = {}
    for setting in settings:
        column, equals, value = setting.partition("=")
        if not equals:
            message = f"--set wants COLUMN=VALUE, found {setting!r}."
            raise ReleaseError(message)
        values[column.strip()] = value or None
    return dict.fromkeys(ids, values)
