"""The rows of ``quarantine/<source>``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from slipstream.definitions import Source
from slipstream.intervals import Interval
from slipstream.lake import Lake

ENTRIES = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
        ("rule", pa.string()),
        ("raw", pa.string()),
        ("released", pa.bool_()),
        ("corrected", pa.string()),
    ]
)


def quarantine_table(source: str) -> str:
    """Return the name of the table that keeps a source's quarantined rows."""
    return f"quarantine/{source}"


class Ids:
    """Names quarantined rows by what they are: source, interval, raw record, and which of several alike.

    File and line are left out, so that a row keeps its name, and its release, when a file is sent again with a line
    more or under another name.
    """

    def __init__(self, source: str, interval: Interval) -> None:
        self._prefix = f"{source}\0{interval}\0".encode()
        self._seen: Counter[bytes] = Counter()

    def of(self, raw: str) -> str:
        record = hashlib.blake2b(self._prefix + raw.encode("utf-8", "backslashreplace"), digest_size=16).digest()
        self._seen[record] += 1
        number = self._seen[record]
        return hashlib.blake2b(record + number.to_bytes(8, "big"), digest_size=8).hexdigest()


def as_entries(bad: pa.Table, ids: Ids) -> pa.Table:
    """Return staged rejects as rows of the quarantine, none of them released."""
    count = bad.num_rows
    names = pa.array([ids.of(raw) for raw in bad.column("raw").to_pylist()], pa.string())
    columns = {name: bad.column(name) for name in ENTRIES.names if name in bad.column_names}
    columns |= {"id": names, "released": pa.repeat(pa.scalar(False), count), "corrected": pa.nulls(count, pa.string())}
    return pa.table({name: columns[name] for name in ENTRIES.names}, schema=ENTRIES)


def mark(entries: pa.Table, corrected: Mapping[str, str], failures: Mapping[str, str]) -> pa.Table:
    """Return entries with the corrections of some (id to JSON); released, but for those that fail (id to reason)."""
    if not corrected:
        return entries
    rows = entries.to_pylist()
    for row in rows:
        if row["id"] in corrected:
            row["corrected"] = corrected[row["id"]]
            row["released"] = row["id"] not in failures
            if row["id"] in failures:
                row["reason"] = f"{row['reason']} Its correction does not pass any more: {failures[row['id']]}"
    return pa.Table.from_pylist(rows, schema=ENTRIES)


def read_entries(lake: Lake, source: Source | str, interval: Interval) -> pa.Table:
    """Return what the quarantine holds of an interval; no rows where nothing was written."""
    table = lake.table(quarantine_table(source if isinstance(source, str) else source.name))
    if table.commit_of(interval) is None:
        return ENTRIES.empty_table()
    return table.read(interval.start, interval.end, columns=ENTRIES.names)


def stored_corrections(lake: Lake, source: Source, interval: Interval) -> dict[str, str]:
    """Return, by id, the corrected records (JSON) that releases of an interval have left."""
    entries = read_entries(lake, source, interval)
    kept = entries.filter(pc.is_valid(entries.column("corrected"))).select(["id", "corrected"])
    return {row["id"]: row["corrected"] for row in kept.to_pylist()}


def released_only(tables: Iterator[pa.Table]) -> int:
    """Return how many entries are released."""
    return sum(pc.sum(table.column("released")).as_py() or 0 for table in tables)
