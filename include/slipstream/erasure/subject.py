"""Who is to be erased, and by which columns of which tables their rows are found.

A source says with ``subject_key`` which of its columns names a person. Rows that are made from a source's row bear the
source's key, not always the person: so the keys of the subject's rows name rows of the tables that are made from it.
They name rows of another source only where that one says so, by a ``subject_key`` of the same name: a bare ``id`` means
something else in each source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstream.definitions.problem import nearest
from slipstream.errors import DefinitionError
from slipstream.lake.naming import KeyRing, Names, Values, read, spell

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Input, Source
    from slipstream.lake import Lake

WRITTEN = ("raw/", "quarantine/", "features/", "predictions/")


@dataclass(frozen=True)
class Found:
    """What names the subject's rows.

    Attributes:
        shared: By source, keys that rows of other people bear too; they name nobody.
        unclear: Tables that have the subject's column, and whose source does not say that it names a person.
        aggregates: Tables that are made from the subject's rows and have no column that names them: they are taken to
            be about many. One that renames the column is among them, too.
    """

    names: tuple[Names, ...]
    shared: Mapping[str, int]
    unclear: tuple[str, ...]
    aggregates: tuple[str, ...]


def declared(definitions: Definitions) -> dict[str, list[str]]:
    """Return each column that is some source's ``subject_key``, with these sources."""
    found: dict[str, list[str]] = {}
    for source in definitions.sources.values():
        if source.subject_key:
            found.setdefault(source.subject_key, []).append(source.name)
    return dict(sorted(found.items()))


def require_declared(column: str, definitions: Definitions) -> None:
    """Raise DefinitionError, with those that there are, where no source names people by ``column``."""
    known = declared(definitions)
    if column in known:
        return
    listed = ", ".join(f"{name} ({', '.join(sources)})" for name, sources in known.items())
    close = nearest(column, known)
    hint = f" Did you mean {close!r}?" if close else ""
    message = (
        f"No source has the subject_key {column!r}. "
        f"{f'Declared are {listed}.' if listed else 'None declares any: say subject_key in its source.yaml.'}{hint}"
    )
    raise DefinitionError(message)


def spellings(column: str, value: str, definitions: Definitions) -> set[Values]:
    """Return ``value`` as the sources read it, each by its column's type; DefinitionError where none can."""
    import pyarrow as pa

    from slipstream.ingestion.casting import cast_column

    found: set[Values] = set()
    kinds = set()
    for name in declared(definitions)[column]:
        source = definitions.source(name)
        cast = cast_column(pa.array([value]), column, source.columns[column])
        kinds.add(source.columns[column].type)
        text = spell(cast.values[0].as_py())
        if not cast.problems and text is not None:
            found.add((text,))
    if not found:
        message = f"The value given for {column!r} is no {' and no '.join(sorted(kinds))}, which its sources declare."
        raise DefinitionError(message)
    return found


def find_names(column: str, value: str, *, definitions: Definitions, lake: Lake, ring: KeyRing) -> Found:
    """Return what names the rows of the subject ``column`` = ``value``, by the files of all versions of its sources.

    Raises:
        DefinitionError: No source names people so, or the value is none of the column's type.
    """
    require_declared(column, definitions)
    waiting: list[tuple[Values, Values, set[Values], frozenset[str], bool]] = []
    types: Values = (definitions.source(declared(definitions)[column][0]).columns[column].type,)
    waiting.append(((column,), types, spellings(column, value, definitions), frozenset(), True))
    names: list[Names] = []
    shared: dict[str, int] = {}
    asked: set[str] = set()
    while waiting:
        columns, types, values, tables, person = waiting.pop(0)
        sources = _owners(columns, definitions)
        more = {table for source in sources for table in made_from(source, definitions)}
        more |= _of_no_definition(lake, definitions) if person else set()
        names.append(Names.of_values(values, ring, columns=columns, types=types, tables=tables | more, person=person))
        for source in sources:
            if source.name in asked or set(source.key) <= set(columns):
                continue
            asked.add(source.name)
            keys, others = _keys_of(source, columns[0], names[-1], lake)
            if others:
                shared[source.name] = len(others)
            if keys - others:
                kinds = tuple(source.columns[name].type for name in source.key)
                waiting.append((tuple(source.key), kinds, keys - others, made_from(source, definitions), False))
    return Found(tuple(names), shared, tuple(_unclear(column, names[0], lake)), tuple(_aggregates(names, lake)))


def made_from(source: Source, definitions: Definitions) -> frozenset[str]:
    """Return the tables of a source, and all that are made from it, however far down."""
    found = {source.table}
    while True:
        views = {each.table for each in definitions.views.values() if _reads(each.inputs.values(), found)}
        if views <= found:
            break
        found |= views
    for model in definitions.models.values():
        inputs = [*model.population.inputs.values(), *model.label.inputs.values()]
        if _reads(inputs, found) or {f"features/{view}" for view in model.views} & found:
            found.add(model.table)
    return frozenset({*found, f"quarantine/{source.name}"})


def _reads(inputs: Iterable[Input], tables: set[str]) -> bool:
    return any(each.table in tables for each in inputs)


def _owners(columns: Values, definitions: Definitions) -> list[Source]:
    """Return the sources that say of the column that it names a person, or a thing of one."""
    if len(columns) > 1:
        return []
    return [each for each in definitions.sources.values() if each.subject_key == columns[0]]


def _of_no_definition(lake: Lake, definitions: Definitions) -> set[str]:
    """Return tables that no definition writes any more: nobody can say what they were made from."""
    known = {table for source in definitions.sources for table in (f"raw/{source}", f"quarantine/{source}")}
    known |= {each.table for each in definitions.views.values()} | {each.table for each in definitions.models.values()}
    return {name for name in lake.tables() if name.startswith(WRITTEN)} - known


def _keys_of(source: Source, column: str, subject: Names, lake: Lake) -> tuple[set[Values], set[Values]]:
    """Return the keys of the subject's rows, and those of them that somebody else's row bears too."""
    mine: set[Values] = set()
    if lake.table(source.table).exists():
        wanted = list(dict.fromkeys([*source.key, column]))
        for keys, person in _spelled(source, column, wanted, lake):
            if subject.holds((person,)):
                mine.add(keys)
        others = {
            keys
            for keys, person in _spelled(source, column, wanted, lake)
            if keys in mine and person is not None and not subject.holds((person,))
        }
    else:
        others = set()
    if lake.table(f"quarantine/{source.name}").exists():
        mine |= _quarantined_keys(source, subject, lake)
    return mine, others


def _spelled(source: Source, column: str, wanted: list[str], lake: Lake) -> Iterator[tuple[Values, str | None]]:
    for batch in lake.table(source.table).removal().batches(wanted):
        columns = {name: [spell(each) for each in batch.column(name).to_pylist()] for name in wanted}
        for *keys, person in zip(*(columns[name] for name in source.key), columns[column], strict=True):
            yield tuple(str(key) for key in keys), person


def _quarantined_keys(source: Source, subject: Names, lake: Lake) -> set[Values]:
    import json

    found: set[Values] = set()
    for batch in lake.table(f"quarantine/{source.name}").removal().batches(["raw"]):
        for raw in batch.column("raw").to_pylist():
            if not subject.in_record(raw):
                continue
            record = json.loads(raw)
            values = (
                [read(record.get(name), source.columns[name].type) for name in source.key]
                if isinstance(record, Mapping)
                else [None]
            )
            if None not in values:
                found.add(tuple(str(each) for each in values))
    return found


def _unclear(column: str, subject: Names, lake: Lake) -> Iterator[str]:
    for name in lake.tables():
        if name.startswith(WRITTEN) and name not in subject.tables and column in lake.table(name).schema().names:
            yield name


def _aggregates(names: list[Names], lake: Lake) -> Iterator[str]:
    made = {table for each in names for table in each.tables if not table.startswith("quarantine/")}
    for name in sorted(made & set(lake.tables())):
        there = set(lake.table(name).schema().names)
        if not any(name in each.tables and set(each.columns) <= there for each in names):
            yield name
