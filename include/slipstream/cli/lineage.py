"""``slipstream lineage``: what a version was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from slipstream.cli.common import AsJson, console, named_version, print_json, project
from slipstream.intervals import iso

if TYPE_CHECKING:
    from rich.tree import Tree

    from slipstream.promotion.lineage import Lineage, TableLineage

_SHORT = 12  # digits of a digest that are shown to a person


def lineage(
    version: Annotated[str, typer.Argument(help="MODEL@VERSION, or MODEL@ALIAS.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Print the tree of a version: run, training set, views and sources with their versions, code, lock."""
    from slipstream import promotion

    here = project()
    model, number = named_version(version, here.settings)
    found = promotion.trace(model, number, lake=here.lake, settings=here.settings)
    if as_json:
        print_json(found.as_dict())
    else:
        console.print(_tree(found))


def _tree(found: Lineage) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    told = found.details
    names = f" ({', '.join(told.aliases)})" if told.aliases else ""
    root = Tree(Text(f"{told.model} version {told.version}{names}, registered {iso(told.created_at)}", style="bold"))
    who = f" by {found.run['dag_id']}/{found.run.get('run_id', '')}" if "dag_id" in found.run else ""
    if found.origin:
        root.add(Text(found.origin, style="yellow"))
    run = root.add(Text(f"run {told.run_id}{who}"))
    rows = run.add(Text(f"training set {told.training_set_digest[:_SHORT]}, as of {iso(told.as_of)}"))
    rows.add(Text(f"prediction times from {iso(told.train_start)} to {iso(told.train_end)}"))
    for table in found.tables:
        _branch(rows, table)
    for each in found.erased:
        below = rows.add(Text(each.summary, style="yellow"))
        for name, number in sorted(each.rows.items()):
            below.add(Text(f"{number:,} of {name}"))
    run.add(Text(f"definition {told.definition_digest[:_SHORT]}, training part {told.training_digest[:_SHORT]}"))
    run.add(Text(f"seed {told.seed}, parameters {dict(told.params)}"))
    run.add(Text(f"code {told.code_version}")).add(Text(f"lock {told.lock_digest[:_SHORT] or 'none'}"))
    return root


def _branch(above: Tree, table: TableLineage) -> None:
    from rich.text import Text

    span = "" if table.oldest == table.version else f"s {table.oldest} to"
    below = above.add(Text(f"{table.table} version{span} {table.version}{_extent(table)}"))
    if table.problem:
        below.add(Text(table.problem, style="yellow"))
    for digest, number in (table.definitions or {}).items():
        below.add(Text(f"definition {digest[:_SHORT]} wrote {number:,} interval{'s' * (number != 1)}"))
    for each in table.inputs:
        _branch(below, each)


def _extent(table: TableLineage) -> str:
    if table.first is None or table.last is None:
        return ""
    return f": {table.rows:,} rows in {table.intervals:,} intervals from {iso(table.first)} to {iso(table.last)}"
