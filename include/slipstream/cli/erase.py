"""``slipstream erase``: one person's rows out of the lake, of all its versions, and of MLflow."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, print_json, print_table, project
from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    from slipstream.cli.common import Project
    from slipstream.erasure import Erasure, Prepared

_WANTED = "Wanted KEY=VALUE, for example passenger_id=42; KEY is the subject_key of a source."


def erase(
    subject: Annotated[
        str, typer.Option(metavar="KEY=VALUE", help="The person; KEY=- reads the value from standard input.")
    ],
    *,
    reason: Annotated[
        str, typer.Option(help="Why, for the record: a ticket's number, say. It must not name the person.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person's rows from every table and all its versions, and list the models that were trained on them."""
    from slipstream.erasure import erase as run_erasure
    from slipstream.erasure import prepare

    here = project()
    column, value = _parse(subject, here)
    if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", reason):
        message = "It names the person, and stays for ever. Name a ticket instead."
        raise typer.BadParameter(message, param_hint="--reason")
    if as_json and not (yes or dry_run):
        message = "Nobody can be asked with --json: give --yes, or --dry-run."
        raise typer.BadParameter(message, param_hint="--json")
    source: dict[str, Any] = {"definitions": here.definitions, "lake": here.lake, "settings": here.settings}
    try:
        prepared = prepare(column, value, **source)
    except DefinitionError as error:
        raise typer.BadParameter(str(error), param_hint="--subject") from error
    if not as_json:
        _show(prepared.erasure)
    if not dry_run:
        if not yes and not _agreed(prepared):
            console.print("Nothing was erased.")
            raise typer.Exit(1)
        found = run_erasure(prepared, reason=reason, run=here.run, **source)
        _report(found, as_json=as_json)
    elif as_json:
        print_json(prepared.erasure.as_dict())


def _parse(subject: str, here: Project) -> tuple[str, str]:
    from slipstream.erasure import require_declared

    column, equals, value = subject.partition("=")
    if value == "-":
        value = sys.stdin.readline().rstrip("\r\n")
    if not equals or not column or not value:
        raise typer.BadParameter(_WANTED, param_hint="--subject")
    definitions = here.definitions  # what is wrong with a file is no fault of --subject
    try:
        require_declared(column, definitions)
    except DefinitionError as error:
        raise typer.BadParameter(str(error), param_hint="--subject") from error
    return column, value


def _agreed(prepared: Prepared) -> bool:
    if prepared.over:
        return True
    return typer.confirm("This cannot be undone. Erase?", default=False)


def _show(erasure: Erasure) -> None:
    told = erasure.plan
    rows = [{"table": name, **counts} for name, counts in told["tables"].items()]
    print_table("Holds rows of the subject", rows, empty="No table holds a row of the subject.")
    versions = [
        {"model": each["model"], "version": each["version"], "rows read": sum(each["rows"].values())}
        for each in told["versions"]
    ]
    if versions:
        print_table("Trained on them; these versions stay, see docs/how-to/erase-a-subject.md", versions, empty="")
    console.print(
        f"Beside the tables: {told['reference_rows']:,} row(s) of reference samples, {told['staged']:,} staged file(s) "
        f"or batch(es), {told['reports']:,} report page(s)."
    )
    for line in _remarks(erasure):
        console.print(line, markup=False, highlight=False)


def _remarks(erasure: Erasure) -> list[str]:
    found = []
    if erasure.resumes:
        found.append(f"Erasure {erasure.resumes} of this subject was begun and not finished; it will be gone on with.")
    for name, number in erasure.shared.items():
        found.append(f"{number:,} key(s) of the subject in {name} are other people's too, so they name nobody.")
    for name in erasure.unclear:
        found.append(f"{name} has a column {erasure.column}, and its source no such subject_key: it is left alone.")
    if erasure.aggregates:
        found.append(
            f"Made from the subject's rows, without a column that names them, and left alone as being about many: "
            f"{', '.join(erasure.aggregates)}."
        )
    for run_id in erasure.plan["unreadable"]:
        found.append(
            f"The reference sample of the run {run_id} is no whole file, so nobody can tell whether it names the "
            "subject. It is left alone and serves nothing: delete reference/reference.parquet among its artifacts."
        )
    files = erasure.plan["landed"]
    if files:
        found.append(f"{len(files):,} landed file(s) may hold the subject; they are the source's own, and stay:")
        found += [f"  {name}" for name in files]
    return found


def _report(found: Erasure, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
    elif found.state == "nothing":
        console.print("The subject was erased before, and nothing is left of it; nothing was done.")
    else:
        console.print(f"Erased. The record has it as erasure {found.id}, begun at {found.at}.")
