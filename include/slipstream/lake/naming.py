"""Values that name a forgotten subject's rows: known as they are while an erasure runs, and as hashes ever after."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import SettingsError
from slipstream.intervals import iso, utc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

DIGITS = 32  # of a hash: 128 bits, so that two people do not meet
SHORTEST_KEY = 16
LOST = "lost:"
QUARANTINE = "quarantine/"
_KEY_ID, _ID_DIGITS = b"slipstream erasure key", 12
_WORD = re.compile(r"[^\s,;|\"'{}\[\]=]+")
Values = tuple[str, ...]


@dataclass(frozen=True)
class KeyRing:
    """The secrets of ``SLIPSTREAM_ERASURE_KEY`` by their ids; new hashes are made with the first.

    Attributes:
        lost: Ids of keys that nobody has any more: what was hashed with them is not kept out.
    """

    keys: Mapping[str, bytes]
    lost: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read keys with commas between; ``lost:ID`` says that a key is given up.

        Raises:
            SettingsError: A key is too short to be a secret.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        secrets = [word.encode() for word in words if not word.startswith(LOST)]
        if any(len(secret) < SHORTEST_KEY for secret in secrets):
            message = (
                f"SLIPSTREAM_ERASURE_KEY holds a key of fewer than {SHORTEST_KEY} characters, which can be guessed. "
                'Make one: python -c "import secrets; print(secrets.token_hex(32))".'
            )
            raise SettingsError(message)
        lost = frozenset(word.removeprefix(LOST) for word in words if word.startswith(LOST))
        return cls({key_id(secret): secret for secret in secrets}, lost)

    @property
    def newest(self) -> str | None:
        return next(iter(self.keys), None)


def key_id(secret: bytes) -> str:
    """Return what tells one key from another and does not give it away."""
    return hmac.new(secret, _KEY_ID, hashlib.sha256).hexdigest()[:_ID_DIGITS]


@dataclass(frozen=True)
class Names:
    """Names rows by the values of some columns, in some tables.

    Attributes:
        columns, types: The columns, and the types that their source declares.
        tables: The tables of which it names rows.
        person: Whether the value is the subject's own, not that of a thing of theirs such as an order.
        secret: Hashes values; with its id ``key_id``.
        hashes: Of the values.
        known: The values themselves, in the process that was told them.
    """

    columns: Values
    types: Values
    tables: frozenset[str]
    person: bool
    key_id: str
    secret: bytes = field(repr=False)
    hashes: frozenset[str] = field(repr=False)
    known: frozenset[Values] | None = field(default=None, repr=False)

    @classmethod
    def of_values(
        cls, values: Collection[Values], ring: KeyRing, *, columns: Values, types: Values, tables: Iterable[str],
        person: bool,
    ) -> Names:  # fmt: skip
        """Name rows by values that are at hand, hashed with the newest key."""
        newest = ring.newest
        assert newest is not None  # noqa: S101 - whoever erases has made sure of a key
        secret = ring.keys[newest]
        hashes = frozenset(digest(secret, columns, each) for each in values)
        return cls(columns, types, frozenset(tables), person, newest, secret, hashes, frozenset(values))

    @classmethod
    def of_record(cls, record: Mapping[str, Any], ring: KeyRing) -> Names:
        """Name rows by what ``as_record`` left; SettingsError without the key of then."""
        name = record["key_id"]
        if name not in ring.keys:
            from slipstream.lake.erasures import no_key

            raise no_key([name])
        columns, types = tuple(record["columns"]), tuple(record["types"])
        tables, hashes = frozenset(record["tables"]), frozenset(record["hashes"])
        return cls(columns, types, tables, record["person"], name, ring.keys[name], hashes)

    def merged(self, other: Names) -> Names:
        """Return what names whatever either names, of the same columns and key."""
        hashes, tables = self.hashes | other.hashes, self.tables | other.tables
        known = None if self.known is None or other.known is None else self.known | other.known
        return replace(self, hashes=hashes, tables=tables, known=known)

    def as_record(self) -> dict[str, Any]:
        return {
            "columns": list(self.columns),
            "types": list(self.types),
            "tables": sorted(self.tables),
            "person": self.person,
            "key_id": self.key_id,
            "hashes": sorted(self.hashes),
        }

    def holds(self, values: tuple[str | None, ...]) -> bool:
        """Say whether these spelled values are among those that it names."""
        if any(value is None for value in values):
            return False
        told = tuple(str(value) for value in values)
        return told in self.known if self.known is not None else digest(self.secret, self.columns, told) in self.hashes

    def mask(self, table: str, rows: Any) -> Mask | None:
        """Return which rows of a table or batch it names; None where it names none."""
        if table.startswith(QUARANTINE) and "raw" in rows.schema.names:
            return self._records_mask(rows)
        if not set(self.columns) <= set(rows.schema.names) or not rows.num_rows:
            return None
        if len(self.columns) == 1:
            return self._column_mask(rows.column(self.columns[0]))
        import numpy as np

        holds = functools.cache(self.holds)
        columns = [[spell(value) for value in rows.column(name).to_pylist()] for name in self.columns]
        found = np.fromiter((holds(values) for values in zip(*columns, strict=True)), dtype=np.bool_)
        return found if found.any() else None

    def _column_mask(self, column: Any) -> Mask | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        different = pc.unique(column)
        hits = [each for each in different if self.holds((spell(each.as_py()),))]
        if not hits:
            return None
        found = pc.is_in(column, value_set=pa.array([each.as_py() for each in hits], different.type))
        mask: Mask = found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found.to_numpy()
        return mask

    def _records_mask(self, rows: Any) -> Mask | None:
        import numpy as np

        texts = [rows.column(name).to_pylist() for name in ("raw", "corrected") if name in rows.schema.names]
        found = np.fromiter((any(map(self.in_record, each)) for each in zip(*texts, strict=True)), dtype=np.bool_)
        return found if found.any() else None

    def in_record(self, raw: str | None) -> bool:
        """Say whether a raw record (JSON) is one of those; where it could not be split, whether it has such a word."""
        if raw is None:
            return False
        values = self.values_in(raw)
        if values is not None:
            return self.holds(values)
        return self.person and any(self.holds((word,)) for word in _words(raw, self.known))

    def values_in(self, raw: str) -> tuple[str | None, ...] | None:
        """Return the values that a raw record has in the columns, spelled; None where it could not be split."""
        try:
            record = json.loads(raw)
        except ValueError:
            return None
        if not isinstance(record, Mapping):
            return None
        pairs = zip(self.columns, self.types, strict=True)
        return tuple(read(record.get(name), kind) for name, kind in pairs)


def digest(secret: bytes, columns: Values, values: Values) -> str:
    """Return the hash of values of columns; the lengths are in it, so that no two lists of values are alike."""
    words = (f"{len(word)}:{word}," for word in (*columns, *values))
    content = f"{len(columns)};{''.join(words)}".encode("utf-8", "surrogatepass")
    return hmac.digest(secret, content, "sha256").hex()[:DIGITS]


def spell(value: Any) -> str | None:
    """Return the one spelling of a value, whatever type a table gives it: 42, 42.0 and "42" are the same."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        return iso(utc(value))
    return value.isoformat() if isinstance(value, date) else str(value)


def read(value: Any, kind: str) -> str | None:
    """Return the spelling of a raw value as its column's type reads it; as it stands where it cannot be read so."""
    if not isinstance(value, str):
        return spell(value)
    text = value.strip()
    try:
        match kind:
            case "int64":
                return str(int(text))
            case "float64":
                return spell(float(text))
            case "timestamp":
                return iso(utc(datetime.fromisoformat(text)))
            case "date":
                return date.fromisoformat(text).isoformat()
    except ValueError:
        return text
    return text


def _words(raw: str, known: frozenset[Values] | None) -> Iterable[str]:
    try:
        text = str(json.loads(raw))
    except ValueError:
        text = raw
    yield from _WORD.findall(text)
    for (value,) in (each for each in known or () if len(each) == 1):
        if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text):  # a value with blanks is no single word
            yield value
