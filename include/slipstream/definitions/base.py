"""What all definitions share: strict frozen models, names, durations, cron schedules, digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    WithJsonSchema,
)

from slipstream.intervals import Schedule, duration, iso, utc


def _cron(value: str) -> str:
    from slipstream.errors import DefinitionError

    try:
        Schedule(value)
    except DefinitionError as error:
        raise ValueError(str(error)) from error
    return value


def _moment(value: Any) -> datetime:
    from slipstream.errors import DefinitionError

    try:
        return utc(value)
    except (DefinitionError, AttributeError) as error:
        message = f"Wanted a date or time such as 2013-01-31, found {value!r}."
        raise ValueError(message) from error


def _duration(value: Any) -> timedelta:
    try:
        read = duration(value)
    except (ValueError, OverflowError, TypeError) as error:
        message = f"Wanted a duration such as 36h, 14d or 1d12h, found {value!r}."
        raise ValueError(message) from error
    if read < timedelta(0):
        message = f"Wanted a duration of 0 or more, found {value!r}."
        raise ValueError(message)
    return read


def _file_inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or ":" in value or not path.name:
        message = f"Wanted the name of a file in the definition's own folder, found {value!r}."
        raise ValueError(message)
    return value


def spell_duration(value: timedelta) -> str:
    """Return a duration in the shortest spelling that ``duration`` reads back: ``36h``, ``14d``, ``90s``."""
    micros = round(value.total_seconds() * 1_000_000)
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        if micros % size == 0:
            return f"{micros // size}{unit}"
    return f"{micros}us"


Name = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Lower-case letters, digits and _, letter first.")
]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(spell_duration, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\s*(\d+\s*(us|ms|s|m|h|d|w)\s*)+$"},
                {"type": "number", "minimum": 0},
            ],
            "examples": ["36h", "14d", "1d12h"],
        }
    ),
]
Cron = Annotated[str, AfterValidator(_cron), Field(examples=["0 0 * * *"], description="Five fields, in UTC.")]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2013-01-01", "2013-01-01T06:00Z"]}),
]
FileName = Annotated[str, AfterValidator(_file_inside)]


class Strict(BaseModel):
    """A frozen model that knows every key it may have."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, validate_default=False)


class Definition(Strict):
    """A named folder of a definitions root."""

    kind: ClassVar[str]
    file_name: ClassVar[str]
    not_in_digest: ClassVar[frozenset[str]] = frozenset({"description", "purpose", "owner", "end"})

    name: Name
    owner: str = Field(default="data", min_length=1, description="Who answers for it; Airflow shows it.")
    end: Moment | None = Field(default=None, description="No interval starts at or after it; none: it goes on.")

    _folder: Path = PrivateAttr(default=Path())
    _files: dict[str, str] = PrivateAttr(default_factory=dict)
    _lines: dict[tuple[str, ...], int] = PrivateAttr(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self._folder

    def text(self, file: str) -> str:
        """Return the text of a file in the definition's folder, read once."""
        from slipstream.errors import DefinitionError

        if file not in self._files:
            path = (self._folder / file).resolve()
            if not path.is_relative_to(self._folder.resolve()):
                message = (
                    f"{self.kind} {self.name!r} may only name files in its own folder {self._folder}; found {file!r}."
                )
                raise DefinitionError(message)
            try:
                self._files[file] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                message = (
                    f"{self.kind} {self.name!r} wants the file {file} in {self._folder}; it cannot be read: {error}."
                )
                raise DefinitionError(message) from error
        return self._files[file]

    @property
    def digest_files(self) -> tuple[str, ...]:
        """Files beside the YAML whose content changes what the definition makes."""
        return ()

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that changes what the definition makes: not its prose, not its owner."""
        content = {
            "definition": _content(self, self.model_dump(mode="json"), self.not_in_digest),
            "files": {file: self.text(file) for file in self.digest_files},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def as_record(self) -> dict[str, Any]:
        """Return the definition with the texts of its files, JSON-able, so that it outlives its folder."""
        return {
            "definition": self.model_dump(mode="json"),
            "files": {file: self.text(file) for file in self.digest_files},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the definition of ``as_record``: of the same digests, with no folder."""
        found = cls.model_validate(record["definition"], context={"lenient": True})
        found._files.update(record["files"])
        return found


def _content(value: Any, dumped: Any, prose: frozenset[str]) -> Any:
    """Leave out the prose fields of models, but not a column or feature that happens to bear such a name."""
    if isinstance(value, BaseModel):
        return {name: _content(getattr(value, name), item, prose) for name, item in dumped.items() if name not in prose}
    if isinstance(value, Mapping):
        pairs = zip(value.values(), dumped.items(), strict=True)
        return {name: _content(inner, item, prose) for inner, (name, item) in pairs}
    if isinstance(value, tuple | list):
        return [_content(inner, item, prose) for inner, item in zip(value, dumped, strict=True)]
    return dumped
