"""What the SQL of views and models must give, against what it would give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from slipstream.checking.findings import Findings, readable
from slipstream.checking.graph import view_order
from slipstream.checking.sql import Statement, bind
from slipstream.checking.types import family_of, fits, spelled
from slipstream.definitions import Input, Model, View
from slipstream.definitions.loading import Reading
from slipstream.definitions.problem import nearest
from slipstream.definitions.source import TIME, TYPES

if TYPE_CHECKING:
    from slipstream.settings import Settings

STAMP = pa.field("interval_start", TIME)  # the lake adds it to every table


@dataclass(frozen=True)
class Table:
    """The columns of a table; ``guessed`` where the definition that writes it is not sound itself."""

    schema: pa.Schema
    guessed: bool = False


class Outputs:
    """Binds SQL after SQL, each over the tables that the ones before it give."""

    def __init__(self, reading: Reading, findings: Findings, settings: Settings) -> None:
        self.reading, self.findings, self.settings = reading, findings, settings
        self.tables = {
            source.table: Table(source.table_schema.append(STAMP)) for source in reading.usable.sources.values()
        }

    def check(self) -> None:
        """Check every view, then every model."""
        for view in view_order(self.reading.usable, self.findings):
            self._check_view(view)
        for model in self.reading.usable.models.values():
            self._check_model(model)

    def _bind(self, definition: View | Model, file: str, path: tuple[str, ...], inputs: Mapping[str, Input]) -> Table:
        """Return what the SQL gives; no columns and guessed where that cannot be told."""
        nothing = Table(pa.schema([]), guessed=True)
        known: dict[str, Table] = {}
        for alias, given in inputs.items():
            near = nearest(given.table, list(self.tables))
            table = self.tables.get(given.table)
            if table is None and near is None:
                readable(self.findings, definition, file, path)
                return nothing
            known[alias] = table or Table(self.tables[str(near)].schema, guessed=True)
        guessed = any(table.guessed for table in known.values())
        schemas = {alias: table.schema for alias, table in known.items()}
        schema = bind(Statement(definition, file, path, schemas, guessed), self.findings, self.settings)
        return nothing if schema is None else Table(schema, guessed)

    def _check_view(self, view: View) -> None:
        given = self._bind(view, view.sql, ("sql",), view.inputs)
        keys = pa.schema([pa.field(name, self._guess_key(view, name)) for name in view.entity])
        if not given.schema.names:
            self.tables[view.table] = Table(view.table_schema(keys).append(STAMP), guessed=True)
            return
        wanted: dict[tuple[str, ...], Iterable[str]] = {
            ("entity",): view.entity,
            ("sql",): ("event_time", "known_at"),
            ("features",): tuple(view.features),
        }
        self._require(view, view.sql, given.schema, wanted, spare=True)
        if not given.guessed:
            self._check_times(view, view.sql, ("sql",), given.schema, ("event_time", "known_at"))
            self._check_features(view, given.schema)
        keys = pa.schema(
            [given.schema.field(name) if name in given.schema.names else keys.field(name) for name in view.entity]
        )
        whole = set(view.entity) <= set(given.schema.names)
        self.tables[view.table] = Table(view.table_schema(keys).append(STAMP), guessed=given.guessed or not whole)

    def _guess_key(self, view: View, name: str) -> pa.DataType:
        for each in view.inputs.values():
            table = self.tables.get(each.table)
            if table and name in table.schema.names:
                return table.schema.field(name).type
        return pa.string()

    def _require(
        self,
        definition: View | Model,
        file: str,
        schema: pa.Schema,
        wanted: Mapping[tuple[str, ...], Iterable[str]],
        *,
        spare: bool = False,
    ) -> None:
        """Find wanted columns that the SQL does not give and, with ``spare``, columns that nobody declared."""
        declared = [name for names in wanted.values() for name in names]
        free = [name for name in schema.names if name not in declared]
        taken: set[str] = set()
        for path, names in wanted.items():
            for position, name in enumerate(names):
                if name in schema.names:
                    continue
                leaf = {"features": (name,), "entity": (str(position),), "key": (str(position),)}.get(path[-1], ())
                close = nearest(name, free)
                taken |= {close} if close else set()
                message = f"{file} does not give the column {name!r}; it gives {', '.join(schema.names)}."
                self.findings.add(definition, (*path, *leaf), message, found=name, allowed=free)
        for name in free if spare else ():
            if name not in taken:
                message = f"{file} gives the column {name!r}, which is not declared. Declare it here, or leave it out."
                self.findings.add(definition, ("features",), message, found=name, allowed=declared)

    def _check_times(
        self, definition: View | Model, file: str, path: tuple[str, ...], schema: pa.Schema, names: Iterable[str]
    ) -> None:
        for name in names:
            if name in schema.names and family_of(schema.field(name).type) != "timestamp":
                found = spelled(schema.field(name).type)
                message = f"{file}: wanted {name!r} to be a timestamp in UTC, found {found}."
                if found == "timestamp without time zone":
                    message += f" Say which zone it is in, e.g. timezone('UTC', {name}) AS {name}."
                self.findings.add(definition, path, message, found=found)

    def _check_features(self, view: View, schema: pa.Schema) -> None:
        for name, feature in view.features.items():
            if name in schema.names and not fits(schema.field(name).type, feature.arrow):
                found = spelled(schema.field(name).type)
                message = (
                    f"Declared as {feature.type}, but {view.sql} gives {found}. "
                    f"Cast it in the SQL, or declare what it gives."
                )
                self.findings.add(view, ("features", name, "type"), message, found=found, allowed=TYPES)

    def _check_model(self, model: Model) -> None:
        population = self._bind(model, model.population.sql, ("population", "sql"), model.population.inputs)
        label = self._bind(model, model.label.sql, ("label", "sql"), model.label.inputs)
        if population.schema.names:
            wanted: dict[tuple[str, ...], Iterable[str]] = {
                ("key",): model.key,
                ("population", "sql"): ("prediction_time",),
                **_gate_columns(model),
            }
            self._require(model, model.population.sql, population.schema, wanted)
            self._check_entities(model, population)
            if not population.guessed:
                path = ("population", "sql")
                self._check_times(model, model.population.sql, path, population.schema, ("prediction_time",))
        if label.schema.names:
            self._require(
                model, model.label.sql, label.schema, {("key",): model.key, ("label", "sql"): ("label", "known_at")}
            )
            if not label.guessed:
                self._check_label(model, label.schema)
                if not population.guessed:
                    self._check_keys(model, population.schema, label.schema)

    def _check_entities(self, model: Model, population: Table) -> None:
        """Find entity columns of the model's views that the population has not, or has in another type."""
        for name in model.views:
            view, names = self.reading.usable.views.get(name), model.keys.get(name, {})
            for entity in view.entity if view else ():
                column = names.get(entity, entity)
                path = ("keys", name, entity) if entity in names else ("population", "sql")
                if column not in population.schema.names:
                    message = (
                        f"The view {name!r} is joined by {entity!r}; {model.population.sql} gives no {column!r}, but "
                        f"{', '.join(population.schema.names)}. Add it, or say under keys which column it is: "
                        f"keys: {{{name}: {{{entity}: <column>}}}}."
                    )
                    self.findings.add(model, path, message, found=column, allowed=population.schema.names)
                    continue
                table = self.tables[f"features/{name}"]
                ours, theirs = population.schema.field(column).type, table.schema.field(entity).type
                if not (population.guessed or table.guessed) and family_of(ours) != family_of(theirs):
                    message = (
                        f"{model.population.sql} gives {column!r} as {spelled(ours)}; the view {name!r} has {entity!r} "
                        f"as {spelled(theirs)}. They must be of one type to be joined."
                    )
                    self.findings.add(model, path, message, found=spelled(ours), allowed=(spelled(theirs),))

    def _check_label(self, model: Model, schema: pa.Schema) -> None:
        path = ("label", "sql")
        self._check_times(model, model.label.sql, path, schema, ("known_at",))
        allowed = {"integer", "number", "bool"} if model.task == "binary_classification" else {"integer", "number"}
        if "label" in schema.names and family_of(schema.field("label").type) not in allowed:
            found = spelled(schema.field("label").type)
            wanted = "0 and 1, or a bool" if model.task == "binary_classification" else "a number"
            message = f"{model.label.sql}: wanted the label of a {model.task} to be {wanted}; found {found}."
            self.findings.add(model, path, message, found=found)

    def _check_keys(self, model: Model, population: pa.Schema, label: pa.Schema) -> None:
        for position, name in enumerate(model.key):
            if name in population.names and name in label.names:
                ours, theirs = population.field(name).type, label.field(name).type
                if family_of(ours) != family_of(theirs):
                    message = (
                        f"{model.population.sql} gives {name!r} as {spelled(ours)}, {model.label.sql} as "
                        f"{spelled(theirs)}. They must be of one type to be joined."
                    )
                    self.findings.add(model, ("key", str(position)), message, found=spelled(ours))


def _gate_columns(model: Model) -> dict[tuple[str, ...], Iterable[str]]:
    """Return the columns that the model's gate wants of the population, by their place in model.yaml."""
    named = {("gate", str(place), "columns"): getattr(check, "columns", ()) for place, check in enumerate(model.gate)}
    return {path: [name for name in names if ":" not in name] for path, names in named.items()}
