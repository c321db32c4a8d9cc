"""``slipstream lake``: what was written, by whom, whether it still is what it was; and the store below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, print_json, print_records, print_table, project
from slipstream.errors import NotFoundError

if TYPE_CHECKING:
    from slipstream.intervals import Interval
    from slipstream.lake import Lake

app = typer.Typer(help="Look into the lake, make its store ready, copy it.", no_args_is_help=True)

TableName = Annotated[str, typer.Argument(help="For example raw/movements or predictions/arrival_delay.")]
When = Annotated[str | None, typer.Option("--interval", help="A day such as 2013-01-31, or START/END, in UTC.")]


@app.command()
def log(
    table: Annotated[str | None, typer.Argument(help="A table; all of them without.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many commits of each table.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List commits, newest first, with who wrote them and from what."""
    lake = project().lake
    rows = [commit.as_dict() for name in _names(lake, table) for commit in lake.table(name).commits(limit=limit)]
    if as_json:
        print_json(rows)
        return
    print_table("Commits", [_short(row) for row in rows], empty="No commit yet. Run `make demo`, or an ingestion DAG.")


def _names(lake: Lake, table: str | None) -> list[str]:
    """Return the table that was named, or all; NotFoundError where the lake does not have it."""
    if table is None:
        return lake.tables()
    if lake.table(table).exists():
        return [table]
    import difflib

    found = lake.tables()
    nearest = difflib.get_close_matches(table, found, n=1)
    guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
    has = f"It has {', '.join(found)}." if found else "It is empty: run `make demo`, or an ingestion DAG."
    message = f"The lake at {lake.root} has no table {table!r}.{guess} {has}"
    raise NotFoundError(message)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    run = (row.get("provenance") or {}).get("run") or {}
    inputs = (row.get("provenance") or {}).get("inputs") or {}
    return {
        "table": row["table"],
        "version": row["version"],
        "interval": row["interval"],
        "rows": row["rows"],
        "digest": str(row["digest"])[:12],
        "by": f"{run.get('dag_id', '-')} {run.get('task_id', '')}".strip(),
        "from": ", ".join(f"{name}@{version}" for name, version in inputs.items()) or "-",
    }


@app.command()
def show(
    table: TableName,
    *,
    interval: When = None,
    columns: Annotated[str | None, typer.Option(help="Only these, separated by commas, in this order.")] = None,
    version: Annotated[int | None, typer.Option(help="The Delta version to read; the newest without.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Print rows of a table, of intervals that start in --interval; in no particular order."""
    from slipstream.intervals import Interval

    stretch = Interval.parse(interval) if interval else None
    names = [name.strip() for name in columns.split(",")] if columns else None
    lake = project().lake
    source = lake.table(_names(lake, table)[0])
    bounds = (stretch.start, stretch.end) if stretch else (None, None)
    rows: list[dict[str, Any]] = []
    for batch in source.batches(*bounds, columns=names, version=version):
        rows += batch.slice(0, limit - len(rows)).to_pylist()
        if len(rows) >= limit:
            break
    if as_json:
        print_json(rows)
    else:
        print_records(table, rows, empty=f"{table} has no rows there.")


@app.command()
def verify(
    table: Annotated[str | None, typer.Argument(help="A table; all of them without.")] = None,
    *,
    interval: When = None,
    as_json: AsJson = False,
) -> None:
    """Read every interval again and compare its digest with the recorded one; exit 1 on a difference."""
    from rich.progress import track

    from slipstream.intervals import Interval

    lake = project().lake
    stretch = Interval.parse(interval) if interval else None
    names = _names(lake, table)
    found: list[Any] = []
    for name in track(names, "Verifying", console=console, disable=as_json or not console.is_terminal, transient=True):
        found += _verify(lake, name, stretch)
    rows = sorted((each.as_dict() for each in found), key=lambda row: (row["table"], str(row["interval"])))
    broken = [row for row in rows if not row["ok"]]
    if stretch and not rows:
        message = f"Wanted to verify {stretch}; no interval of {', '.join(names) or 'the empty lake'} lies there."
        raise NotFoundError(message)
    if as_json:
        print_json({"ok": not broken, "intervals": rows})
    elif broken:
        print_table("Not what was written", broken, empty="")
    else:
        console.print(f"{len(rows)} intervals in {len(names)} tables are what was written.")
    if broken:
        raise typer.Exit(1)


def _verify(lake: Lake, name: str, stretch: Interval | None) -> list[Any]:
    table = lake.table(name)
    if stretch is None:
        return table.verify()
    return [found for each in table.intervals() if each.overlaps(stretch) for found in table.verify(each)]


@app.command()
def prepare(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="PLACE", help="More folders or s3:// addresses, for artifacts or logs."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make the folders or buckets of lake and landing; fail where a bucket cannot keep two writers apart."""
    from slipstream.lake.stores import prepare_places

    settings = project().settings
    ours = [settings.lake, settings.landing, settings.staging, settings.reports]
    found = [each.as_dict() for each in prepare_places([*ours, *(places or ())], settings)]
    if as_json:
        print_json(found)
    else:
        print_table("Ready", found, empty="")


@app.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder or s3://bucket/prefix.")],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="Likewise; made where there is none.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Copy a lake, or any store whose files never change, for a backup; what is there already is left."""
    from slipstream.lake.stores import copy_store

    done = copy_store(source, destination, project().settings)
    if as_json:
        print_json(done.as_dict())
    else:
        console.print(
            f"{done.copied} file(s) copied to {done.destination}, {done.bytes:,} bytes; {done.present} were there."
        )
