"""``source.yaml`` and ``expectations.yaml``: the data that arrives and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from slipstream.definitions.base import Cron, Definition, Duration, Moment, Name, Strict
from slipstream.definitions.problem import raise_faults
from slipstream.definitions.rules import source_faults
from slipstream.intervals import Schedule

TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}
TypeName = Literal["string", "int64", "float64", "bool", "timestamp", "date"]
TIME = TYPES["timestamp"]


class Column(Strict):
    """A declared column of a source."""

    type: TypeName
    required: bool = Field(default=False, description="A row without a value here goes to quarantine.")
    description: str = ""
    unit: str = ""
    format: str | None = Field(default=None, description="strptime format of a timestamp or date that is not ISO 8601.")
    timezone: str = Field(default="UTC", description="IANA zone of timestamps that carry none.")
    personal: bool = Field(default=False, description="Personal data; kept out of reports.")

    @property
    def arrow(self) -> pa.DataType:
        return TYPES[self.type]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError) as error:
            message = f"Wanted an IANA time zone such as America/New_York, found {value!r}."
            raise ValueError(message) from error
        return value


def _column(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


ShortColumn = Annotated[Column, BeforeValidator(_column, json_schema_input_type=Column | TypeName)]


class FilesConnector(Strict):
    """Files under the landing root, named by the interval."""

    type: Literal["files"]
    path: str = Field(description="Template under the landing root, e.g. movements/{start:%Y-%m-%d}*.jsonl")
    format: Literal["csv", "jsonl", "parquet"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    settle: Duration = Field(
        default=timedelta(0), description="A file must be unchanged for so long to count as whole."
    )

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if value.startswith("/") or {"..", ""} & set(value.split("/")) or "://" in value or "\\" in value:
            message = f"Wanted a path below the landing root, with / and without '..', found {value!r}."
            raise ValueError(message)
        return value


class SqlConnector(Strict):
    """A query against a database, with the interval's bounds as bound parameters ``:start`` and ``:end``."""

    type: Literal["sql"]
    connection: str = Field(
        description="An Airflow connection id, or the name of an environment variable with a SQLAlchemy URL."
    )
    query: str = Field(description="A SELECT with :start and :end, or the name of a .sql file in the folder.")


class PythonConnector(Strict):
    """A callable in the folder that returns Arrow rows for an interval."""

    type: Literal["python"]
    callable: str = Field(pattern=r"^[a-z_][\w]*:[a-zA-Z_]\w*$", description="file:function, e.g. connector:read")


Connector = Annotated[FilesConnector | SqlConnector | PythonConnector, Field(discriminator="type")]


class Arrival(Strict):
    """When a batch is expected, counted from its interval's end."""

    expected_after: Duration = timedelta(hours=1)
    timeout: Duration = timedelta(days=2)
    poll: Duration = timedelta(seconds=60)


class Expectation(Strict):
    """One Great Expectations expectation, by GX's own name and arguments."""

    type: str = Field(pattern=r"^expect_[a-z0-9_]+$", description="Its name in Great Expectations.")
    kwargs: Mapping[str, Any] = Field(
        default_factory=dict, description="Its arguments, as Great Expectations names them."
    )
    on_failure: Literal["quarantine", "halt"] = Field(
        description="quarantine: put the rows that break it aside. halt: refuse the whole batch."
    )
    reason: str = Field(default="", description="Why it is expected; stands in quarantine and in the error.")


class Contract(Strict):
    """``expectations.yaml``."""

    expectations: tuple[Expectation, ...] = ()

    _positions: tuple[int, ...] = PrivateAttr(default=())
    _lines: dict[tuple[str, ...], int] = PrivateAttr(default_factory=dict)


class Source(Definition):
    """``source.yaml``: where a batch comes from, what its columns are, and when its rows happened and became known."""

    kind: ClassVar[str] = "source"
    file_name: ClassVar[str] = "source.yaml"

    description: str = Field(min_length=1)
    schedule: Cron
    start: Moment
    connector: Connector
    columns: Mapping[Name, ShortColumn] = Field(min_length=1, description="Column: its type, or its type and more.")
    key: tuple[str, ...] = Field(min_length=1, description="Columns that name a row; unique within a batch.")
    event_time: str = Field(description="A timestamp column, or interval_start or interval_end.")
    known_at: str = Field(default="interval_end", description="A timestamp column, or interval_end.")
    subject_key: str | None = Field(default=None, description="The column that names a person, for erasure.")
    arrival: Arrival = Arrival()

    _contract: Contract = Contract()

    @property
    def contract(self) -> Contract:
        return self._contract

    @property
    def cron(self) -> Schedule:
        return Schedule(self.schedule)

    @property
    def table(self) -> str:
        return f"raw/{self.name}"

    @property
    def declared_schema(self) -> pa.Schema:
        """The declared columns as Arrow types, in order."""
        return pa.schema([pa.field(name, column.arrow) for name, column in self.columns.items()])

    @property
    def table_schema(self) -> pa.Schema:
        """What ``raw/<name>`` holds: the declared columns, then event_time and known_at where not declared."""
        extra = [pa.field(name, TIME) for name in ("event_time", "known_at") if name not in self.columns]
        return pa.schema([*self.declared_schema, *extra])

    @property
    def digest_files(self) -> tuple[str, ...]:
        files = ["expectations.yaml"] if (self.folder / "expectations.yaml").is_file() else []
        if isinstance(self.connector, PythonConnector):
            files.append(self.connector.callable.split(":")[0] + ".py")
        if isinstance(self.connector, SqlConnector) and self.connector.query.endswith(".sql"):
            files.append(self.connector.query)
        return tuple(files)

    @model_validator(mode="after")
    def _keeps_the_rules(self, info: ValidationInfo) -> Source:
        if not (info.context or {}).get("lenient"):
            raise_faults(source_faults(self.model_dump(exclude_unset=True)))
        return self
