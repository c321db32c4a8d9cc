"""What every connector yields: raw rows with the place they came from, and records that were no rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Protocol

import pyarrow as pa

LONGEST_VALUE = 1_000  # characters of a value that the quarantine shows; the raw record holds the rest


@dataclass(frozen=True)
class Reject:
    """A record that goes to quarantine.

    Attributes:
        raw: The record as JSON: an object of its values where it could be split, else a string of its text.
    """

    file: str | None
    line: int | None
    raw: str
    reason: str
    rule: str
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Chunk:
    """Some raw rows of one file.

    Attributes:
        file: Path under the landing root; None where rows come from no file.
        lines: For each row, the line (from 1) on which it begins, or null.
        columns: The rows, text as it stood or Arrow values; a declared column may be absent, which means null.
        texts: For each row, its record as JSON, where the connector has that at hand.
        rejects: Records that are no rows.
    """

    file: str | None
    lines: pa.Array
    columns: pa.Table
    texts: pa.Array | None = None
    rejects: Sequence[Reject] = field(default_factory=tuple)

    def slices(self, rows: int) -> Iterator[Chunk]:
        """Yield the same in chunks of at most ``rows``; the rejects come with the first."""
        for start in range(0, max(self.columns.num_rows, 1), rows):
            yield Chunk(
                self.file,
                self.lines.slice(start, rows),
                self.columns.slice(start, rows),
                None if self.texts is None else self.texts.slice(start, rows),
                self.rejects if start == 0 else (),
            )


class Batch(Protocol):
    """An interval's rows of a source, as its connector finds them."""

    @property
    def files(self) -> tuple[str, ...]: ...

    @property
    def ignored(self) -> tuple[str, ...]: ...

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, each once."""

    def confirm(self) -> None:
        """Raise BatchNotReadyError where what was read changed meanwhile."""


def spell(value: Any) -> str | None:
    """Return a value as quarantine shows it."""
    if value is None:
        return None
    text = value if isinstance(value, str) else str(_plain(value))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def record_json(record: Mapping[str, Any] | str) -> str:
    """Return a raw record as one line of JSON."""
    return json.dumps(_plain(record), ensure_ascii=False, separators=(", ", ": "))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)
