"""Who wrote what from what: the record that travels in the same commit as the rows."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from slipstream.intervals import Interval, iso

RECORD = "slipstream"  # the key of the record in Delta's commitInfo
BEFORE_ERASURE = "digest_before_erasure"  # in a commit's extra: what its interval held with the rows of the erased


@dataclass(frozen=True)
class Run:
    """Who writes: one try of one task, or a person at a laptop."""

    dag_id: str
    run_id: str
    task_id: str
    try_number: int = 1
    by: str | None = None

    @classmethod
    def local(cls, by: str | None = None) -> Run:
        """Return the identity of a process outside Airflow; ``by`` defaults to the operating system's user."""
        if by is None:
            try:
                by = getpass.getuser()
            except (OSError, KeyError):  # a container's user may have no name
                by = f"uid {os.getuid()}"
        return cls(dag_id="local", run_id=f"local-{os.getpid()}", task_id="local", by=by)

    def as_dict(self) -> dict[str, Any]:
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "try_number": self.try_number,
            "by": self.by,
        }


@dataclass(frozen=True)
class Provenance:
    """What a write was made of: the run, the versions of the tables it read, the definition it followed.

    Attributes:
        inputs: Name of each table read, with the Delta version that was read.
        definition: Digest of the definition, empty where there is none.
        reads: Digest of what the input intervals held, empty where nobody told; unlike a table's version it stays
            the same while other intervals are written.
        extra: Anything else that JSON can hold.
    """

    run: Run
    inputs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    definition: str = ""
    reads: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def as_dict(self) -> dict[str, Any]:
        return {
            "run": self.run.as_dict(),
            "inputs": dict(sorted(self.inputs.items())),
            "definition": self.definition,
            "reads": self.reads,
            "extra": dict(self.extra),
        }


@dataclass(frozen=True)
class Commit:
    """One write, as the table's log tells it.

    Attributes:
        interval: What was written; None for rows appended outside intervals.
        digest: The digest of the rows (see ``digest_rows``).
        changed: False where the table held these very rows already, so that no row was written; then the other
            attributes are those of the commit that wrote them, or that says what else they were made from since.
        superseded: Intervals of another length that this write replaced with its own.
    """

    table: str
    version: int
    interval: Interval | None
    rows: int
    digest: str
    changed: bool
    provenance: dict[str, Any]
    written_at: datetime
    columns: tuple[str, ...] = ()
    superseded: tuple[Interval, ...] = ()

    @classmethod
    def from_log(cls, table: str, version: int, info: Mapping[str, Any], *, changed: bool = True) -> Commit | None:
        """Read a commit from Delta's commitInfo; None where the lake did not write it (maintenance, for one)."""
        record = info.get(RECORD)
        if not isinstance(record, Mapping) or "digest" not in record:
            return None
        return cls(
            table=table,
            version=version,
            interval=Interval.parse(record["interval"]) if record.get("interval") else None,
            rows=record["rows"],
            digest=record["digest"],
            changed=changed,
            provenance=dict(record.get("provenance", {})),
            written_at=datetime.fromtimestamp(info.get("timestamp", 0) / 1000, UTC),
            columns=tuple(record.get("columns", ())),
            superseded=tuple(Interval.parse(text) for text in record.get("superseded", ())),
        )

    @property
    def origin(self) -> str:
        """The digest of the rows as they were made, before subjects were erased from them."""
        return str((self.provenance.get("extra") or {}).get(BEFORE_ERASURE) or self.digest)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dictionary; times are ISO 8601 in UTC."""
        return {
            "table": self.table,
            "version": self.version,
            "interval": str(self.interval) if self.interval else None,
            "rows": self.rows,
            "digest": self.digest,
            "changed": self.changed,
            "provenance": self.provenance,
            "written_at": iso(self.written_at),
            "superseded": [str(interval) for interval in self.superseded],
        }


@dataclass(frozen=True)
class Verification:
    """Whether an interval still holds the rows that its commit recorded."""

    table: str
    interval: Interval
    rows: int
    digest_recorded: str
    digest_found: str

    @property
    def ok(self) -> bool:
        return self.digest_recorded == self.digest_found

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "interval": str(self.interval),
            "rows": self.rows,
            "digest_recorded": self.digest_recorded,
            "digest_found": self.digest_found,
            "ok": self.ok,
        }


def accounts_for(commit: Commit, provenance: Provenance) -> bool:
    """Tell whether a commit names the definition and the contents that its rows were made from just now."""
    recorded = {name: commit.provenance.get(name, "") for name in ("definition", "reads")}
    found = {"definition": provenance.definition, "reads": provenance.reads}
    return found in (recorded, {"definition": "", "reads": ""})


def as_before(same: Commit, provenance: Provenance) -> Provenance:
    """Keep what an erasure left of the interval: its rows are still those, less the subject's."""
    if same.origin == same.digest:
        return provenance
    return replace(provenance, extra={**provenance.extra, BEFORE_ERASURE: same.origin})
