"""Whom the lake has forgotten: the record of erasures, and the keyed hashes by which their rows are known again.

The record names no person. What names one, a customer's number or the numbers of their orders, is kept as HMAC-SHA256
under a secret that does not lie in the lake: docs/decisions/0006-keyed-hashes-of-the-erased.md says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstream.errors import SettingsError
from slipstream.lake.naming import KeyRing, Names
from slipstream.lake.snapshots import Snapshots
from slipstream.lake.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.lake.journal import Journal
    from slipstream.lake.lake import Lake

TABLE = "ledger/erasures"
SUBJECT = "subject"  # the journal's rows are all about the same: what was erased
BEGUN, DONE = "begun", "done"
_TEXTS = ("action", "erasure", "column", "reason", "by", "run_id", "identities", "tables", "versions", "more")


def journal(lake: Lake) -> Journal:
    """Return the record of erasures: two rows each, ``begun`` and ``done``."""
    import pyarrow as pa

    from slipstream.lake.journal import Journal

    return Journal(lake, TABLE, {name: pa.string() for name in _TEXTS}, told=("action", "erasure"))


@dataclass(frozen=True)
class Erased:
    """What an erasure took of a model version's training data.

    Attributes:
        at: When it was begun, UTC.
        rows: By table, the rows that the version read and that are gone.
    """

    erasure: str
    at: str
    rows: Mapping[str, int]

    def __str__(self) -> str:
        told = ", ".join(f"{rows:,} of {table}" for table, rows in sorted(self.rows.items()))
        return f"{self.summary} ({told})"

    @property
    def summary(self) -> str:
        """When, by which erasure, and how many rows in all."""
        return f"Erased at {self.at} by erasure {self.erasure}: {sum(self.rows.values()):,} rows"

    def as_dict(self) -> dict[str, Any]:
        return {"erasure": self.erasure, "at": self.at, "rows": dict(self.rows)}


def erased_from(model: str, version: str, *, lake: Lake) -> list[Erased]:
    """Return what erasures took of the rows that ``version`` was trained on, oldest first."""
    from slipstream.intervals import iso

    found: dict[str, Erased] = {}
    begun: dict[str, str] = {}
    for row in journal(lake).rows(SUBJECT):
        begun.setdefault(row["erasure"], iso(row["at"].replace(microsecond=0)))
        for each in json.loads(row["versions"] or "[]"):
            if (each["model"], each["version"]) == (model, str(version)):
                found[row["erasure"]] = Erased(row["erasure"], begun[row["erasure"]], each["rows"])
    return list(found.values())


class Suppressions:
    """Keeps the rows of the forgotten from being written again.

    Args:
        ring: Gives the text of ``SLIPSTREAM_ERASURE_KEY``; asked only where there is something to keep out.
    """

    def __init__(self, storage: Storage, ring: Callable[[], str]) -> None:
        self._snapshots, self._ring = Snapshots(TABLE, storage), ring
        self._read: tuple[int, list[dict[str, Any]]] = (-1, [])

    def version(self) -> int:
        """Return the version of the record; -1 before there is one."""
        self._refresh()
        return self._read[0]

    def of_table(self, table: str) -> list[Names]:
        """Return what names rows of ``table`` that must not be written; as of now."""
        self._refresh()
        return self._known(each for each in self._read[1] if table in each["tables"])

    def of_source(self, column: str | None, table: str) -> list[Names]:
        """Return what names rows of a source whose subject is named by ``column``, also if it is a new source."""
        self._refresh()
        mine = (each for each in self._read[1] if each["columns"] == [column] or table in each["tables"])
        return self._known(mine)

    def without(self, table: str, rows: pa.Table | pa.RecordBatchReader) -> pa.Table | pa.RecordBatchReader:
        """Return ``rows`` for ``table`` less those of the forgotten."""
        import pyarrow as pa

        names = self.of_table(table)
        if not names:
            return rows
        if isinstance(rows, pa.Table):
            return without(table, rows, names)
        kept: Iterator[pa.RecordBatch] = (without(table, batch, names) for batch in rows)
        return pa.RecordBatchReader.from_batches(rows.schema, kept)

    def _known(self, wanted: Iterator[Mapping[str, Any]]) -> list[Names]:
        found = list(wanted)
        if not found:
            return []
        ring = KeyRing.parse(self._ring())
        together: dict[Any, Names] = {}  # a value is hashed once, however many people were erased
        for names in (Names.of_record(each, ring) for each in found if each["key_id"] not in ring.lost):
            alike = (names.columns, names.types, names.person, names.key_id)
            together[alike] = together[alike].merged(names) if alike in together else names
        return list(together.values())

    def _refresh(self) -> None:
        newest = self._snapshots.newest()
        if newest is None:
            self._read = (-1, [])
        elif newest.version != self._read[0]:
            rows = newest.dataset().to_table(columns=["action", "identities"]).to_pylist()
            texts = [row["identities"] for row in rows if row["action"] == BEGUN and row["identities"]]
            self._read = (newest.version, [each for text in texts for each in json.loads(text)])


def without(table: str, rows: Any, names: Sequence[Names]) -> Any:
    """Return a table or batch less the rows that any of ``names`` names."""
    kept = unnamed(table, rows, names)
    return rows if kept is None else rows.filter(kept)


def unnamed(table: str, rows: Any, names: Sequence[Names]) -> pa.Array | None:
    """Return which rows of a table or batch none of ``names`` names; None where that is all of them."""
    import numpy as np
    import pyarrow as pa

    found = [mask for each in names if (mask := each.mask(table, rows)) is not None]
    return pa.array(~np.logical_or.reduce(found)) if found else None


def no_key(ids: Sequence[str]) -> SettingsError:
    """Return the error of a lake whose hashes cannot be made again."""
    message = (
        f"The lake keeps erased subjects out by hashes that were made with the key {', '.join(ids)} (its id, not the "
        "key), and SLIPSTREAM_ERASURE_KEY does not have it. Set it, beside newer ones with a comma between. If it is "
        "lost for good, docs/how-to/erase-a-subject.md says what then."
    )
    return SettingsError(message)
