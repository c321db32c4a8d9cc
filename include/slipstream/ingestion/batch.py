"""What the steps of ingestion hand to one another; all of it fits into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from slipstream.intervals import Interval


@dataclass(frozen=True)
class Arrival:
    """Whether a batch is there, and why not."""

    ready: bool
    reason: str
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"ready": self.ready, "reason": self.reason, "files": list(self.files)}


@dataclass(frozen=True)
class _Step:
    """A source's interval, and how many of its rows went where: ``rows_in == accepted + quarantined``, always."""

    source: str
    interval: Interval
    rows_in: int
    accepted: int
    quarantined: int

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dictionary that ``from_dict`` reads back."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        names = {field.name for field in fields(cls)}
        known: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in names
        }
        known["interval"] = Interval.parse(values["interval"])
        return cls(**known)


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class LoadedBatch(_Step):
    """A batch that was read and cast; it waits under ``staging`` for its contract.

    Attributes:
        suppressed: Rows of subjects that were erased. They are left out, and out of ``rows_in``.
    """

    staging: str
    files: tuple[str, ...] = ()
    ignored_columns: tuple[str, ...] = ()
    suppressed: int = 0


@dataclass(frozen=True)
class ValidatedBatch(LoadedBatch):
    """A batch that keeps its contract; it waits under ``staging`` to be published.

    Attributes:
        released: Of the accepted rows, those that an earlier release corrected.
    """

    released: int = 0


@dataclass(frozen=True)
class PublishedBatch(_Step):
    """A batch in the lake.

    Attributes:
        version: Delta version of ``raw/<source>`` that holds it.
        changed: False where the lake held these very rows already.
    """

    version: int
    digest: str
    changed: bool
    released: int = 0
    quarantine_version: int = 0
    quarantine_digest: str = ""
