"""Between definitions: tables that are named exist, views do not read each other in a circle, starts make sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from slipstream.checking.findings import Findings
from slipstream.definitions import Definitions, Input, Model, View, table_definition
from slipstream.definitions.loading import Reading
from slipstream.intervals import iso


@dataclass(frozen=True)
class Reads:
    """One table that a view's or a model's SQL reads, and where its definition says so."""

    definition: View | Model
    path: tuple[str, ...]
    alias: str
    given: Input


def reads_of(definition: View | Model) -> Iterator[Reads]:
    """Yield every input of a view, or of a model's population and label."""
    groups: Mapping[tuple[str, ...], Mapping[str, Input]]
    if isinstance(definition, View):
        groups = {("inputs",): definition.inputs}
    else:
        groups = {
            ("population", "inputs"): definition.population.inputs,
            ("label", "inputs"): definition.label.inputs,
        }
    for path, inputs in groups.items():
        for alias, given in inputs.items():
            yield Reads(definition, (*path, alias), alias, given)


def table_names(reading: Reading) -> list[str]:
    """Return every table that SQL may read, also those whose definition is broken."""
    raw = [f"raw/{name}" for name in reading.names["sources"]]
    return sorted([*raw, *(f"features/{name}" for name in reading.names["features"])])


def check_inputs(reading: Reading, findings: Findings) -> None:
    """Find inputs that nobody writes."""
    tables = table_names(reading)
    for definition in _readers(reading.usable):
        for read in reads_of(definition):
            if read.given.table not in tables:
                found = read.given.table
                message = f"No source or view writes the table {found!r}; there are {', '.join(tables) or 'none'}."
                findings.add(definition, (*read.path, "table"), message, found=found, allowed=tables)


def view_order(definitions: Definitions, findings: Findings) -> list[View]:
    """Return the views with each after those that it reads; the circles among them are found and left out."""
    order: list[View] = []
    state: dict[str, str] = {}
    reported: set[frozenset[str]] = set()

    def visit(name: str, trail: tuple[str, ...]) -> bool:
        if state.get(name) == "open":
            circle = trail[trail.index(name) :]
            if frozenset(circle) not in reported:
                reported.add(frozenset(circle))
                _add_circle(definitions, circle, findings)
            return False
        if name in state:
            return state[name] == "done"
        state[name] = "open"
        view = definitions.views[name]
        before = [read.given.table.removeprefix("features/") for read in _view_reads(view)]
        sound = [visit(each, (*trail, name)) for each in before if each in definitions.views]
        state[name] = "done" if all(sound) else "circle"
        if all(sound):
            order.append(view)
        return all(sound)

    for name in sorted(definitions.views):
        visit(name, ())
    return order


def _view_reads(view: View) -> list[Reads]:
    return [read for read in reads_of(view) if read.given.table.startswith("features/")]


def _add_circle(definitions: Definitions, circle: tuple[str, ...], findings: Findings) -> None:
    start = circle.index(min(circle))
    names = [*circle[start:], *circle[:start]]
    view = definitions.views[names[0]]
    following = names[1] if len(names) > 1 else names[0]
    read = next(read for read in _view_reads(view) if read.given.table == f"features/{following}")
    trail = " → ".join([*names, names[0]])
    message = f"These views read each other in a circle: {trail}. None could ever be made; take one of the inputs away."
    findings.add(view, (*read.path, "table"), message, found=read.given.table)


def check_starts(reading: Reading, findings: Findings) -> None:
    """Find views and models that start when there is nothing yet that they could read."""
    definitions = reading.usable
    for definition in _readers(definitions):
        groups: dict[tuple[str, ...], list[tuple[Reads, datetime]]] = {}
        for read in reads_of(definition):
            if read.given.table in _written(definitions):
                writer = table_definition(definitions, read.given.table)
                groups.setdefault(read.path[:-1], []).append((read, writer.start))
        for path, group in groups.items():
            earliest = min(start for _, start in group)
            if path[0] != "label" and definition.cron.interval_at(definition.start).end <= earliest:
                message = (
                    f"It starts {iso(definition.start)}, before any of its inputs has a row: the first, "
                    f"{group[0][0].given.table}, starts {iso(earliest)}. Start it then, or the input earlier."
                )
                findings.add(definition, ("start",), message, found=iso(definition.start))


def _readers(definitions: Definitions) -> list[View | Model]:
    return [*definitions.views.values(), *definitions.models.values()]


def _written(definitions: Definitions) -> set[str]:
    return {f"raw/{name}" for name in definitions.sources} | {f"features/{name}" for name in definitions.views}
