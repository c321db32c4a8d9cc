"""``view.yaml``: a feature view, which any model may use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

import pyarrow as pa
from pydantic import Field, ValidationInfo, model_validator

from slipstream.definitions.base import Cron, Definition, Duration, FileName, Moment, Name, Strict
from slipstream.definitions.problem import raise_faults
from slipstream.definitions.rules import view_faults
from slipstream.definitions.source import TIME, TYPES, TypeName
from slipstream.intervals import Schedule

TABLE = r"^(raw|features)/[a-z][a-z0-9_]*$"


class Input(Strict):
    """A table that SQL reads under an alias, from ``lookback`` before the interval to its end."""

    table: str = Field(pattern=TABLE, examples=["raw/movements", "features/airport_weather"])
    lookback: Duration = timedelta(0)


class Feature(Strict):
    """One feature of a view."""

    type: TypeName
    description: str = Field(min_length=1)
    unit: str = ""

    @property
    def arrow(self) -> pa.DataType:
        return TYPES[self.type]


class View(Definition):
    """``view.yaml`` and its SQL: rows of features by entity, with when they happened and became known."""

    kind: ClassVar[str] = "view"
    file_name: ClassVar[str] = "view.yaml"

    description: str = Field(min_length=1)
    schedule: Cron
    start: Moment
    entity: tuple[str, ...] = Field(min_length=1, description="Key columns.")
    inputs: Mapping[Name, Input] = Field(min_length=1, description="Alias in the SQL: table and lookback.")
    ttl: Duration | None = Field(default=None, description="A value older than this (by event_time) is not used.")
    sql: FileName = "view.sql"
    features: Mapping[Name, Feature] = Field(min_length=1)

    @property
    def cron(self) -> Schedule:
        return Schedule(self.schedule)

    @property
    def table(self) -> str:
        return f"features/{self.name}"

    @property
    def query(self) -> str:
        return self.text(self.sql)

    @property
    def digest_files(self) -> tuple[str, ...]:
        return (self.sql,)

    def table_schema(self, keys: pa.Schema) -> pa.Schema:
        """What ``features/<name>`` holds, given the types of its entity columns."""
        fields = [keys.field(name) for name in self.entity]
        fields += [pa.field("event_time", TIME), pa.field("known_at", TIME)]
        return pa.schema([*fields, *(pa.field(name, feature.arrow) for name, feature in self.features.items())])

    @model_validator(mode="after")
    def _keeps_the_rules(self, info: ValidationInfo) -> View:
        if not (info.context or {}).get("lenient"):
            raise_faults(view_faults(self.model_dump(exclude_unset=True)))
        return self
