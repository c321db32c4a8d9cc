"""Writing to a table: rows first, to files that nobody sees; then one commit, which either happens or does not.

The lake, not Delta, decides what a conflict is. A commit is tried for exactly the next version. If another writer took
that version, the table is looked at again: where nothing that overlaps the interval has changed since the write began,
the commit is tried for the version after; otherwise the writer has lost.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, Schema, TableFeatures, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from slipstream.errors import SchemaError, ServiceError, WriteConflictError
from slipstream.intervals import Interval
from slipstream.lake.commits import RECORD, Commit, Provenance, accounts_for, as_before
from slipstream.lake.completeness import application
from slipstream.lake.digest import INTERVAL_COLUMN, Digest, RowDigest
from slipstream.lake.erasures import Suppressions
from slipstream.lake.files import Staging, partition_value
from slipstream.lake.schemas import UTC_TIME, merge_schemas, normal_schema, normalise, stored_schema
from slipstream.lake.snapshots import Snapshot, Snapshots

ATTEMPTS = 200
ERASURE = "erasure"  # in the record of a commit that nobody who wrote before it may follow
LONGEST_PAUSE = 0.2  # seconds between two attempts
CONFIGURATION = {
    # A registered model may name any version, so nothing expires by itself; maintenance decides (see maintenance.py).
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "20",
}


@dataclass(frozen=True)
class Staged:
    """Rows that lie in files and wait for their commit."""

    files: list[AddAction]
    digest: Digest
    schema: pa.Schema
    provenance: Provenance
    confirms: bool = False  # no files: the interval holds these rows already, and keeps them


class Writer:
    """Writes to one table."""

    def __init__(self, snapshots: Snapshots, suppressions: Suppressions) -> None:
        self._snapshots = snapshots
        self._suppressions = suppressions
        self._name = snapshots.name
        self._storage = snapshots.storage

    def write(self, interval: Interval, rows: pa.Table | pa.RecordBatchReader, provenance: Provenance) -> Commit:
        """Replace ``interval`` with ``rows``; see ``Table.write``."""
        base = self._snapshots.newest()
        if base is not None and not base.by_interval:
            message = f"Table {self._name!r} has no intervals: rows are appended to it. Use Table.append."
            raise SchemaError(message)
        # Asked after the table: an erasure writes its record first and then a commit that this one cannot get past.
        known = self._suppressions.version() if base is None else None
        rows = self._suppressions.without(self._name, rows)
        with self._stage(rows, base, provenance=provenance, interval=interval) as (staging, staged):
            same = self._unchanged(base, interval, staged)
            if same is not None:
                staging.discard()
                if base is None or accounts_for(same, provenance):
                    return same
                # The same rows of another definition, or from other inputs: whoever asks later has to know that.
                held = pa.schema([field for field in base.row_schema if field.name in same.columns])
                staged = Staged([], staged.digest, held, as_before(same, provenance), confirms=True)
            commit = self._commit_interval(interval, staged, base, staging)
        if known is not None and known != self._suppressions.version():
            from slipstream.lake.removal import without_late

            return without_late(self._snapshots, self._suppressions, interval, commit)
        return commit

    def append(self, rows: pa.Table, *, expected_version: int | None, provenance: Provenance) -> Commit:
        """Add ``rows`` if the table still is at ``expected_version``; see ``Table.append``."""
        base = self._snapshots.newest()
        if base is not None and base.by_interval:
            message = f"Table {self._name!r} is written by interval. Use Table.write."
            raise SchemaError(message)
        found = base.version if base else None
        if found != expected_version:
            raise WriteConflictError(self._moved(expected_version, found))
        if INTERVAL_COLUMN in rows.schema.names:
            message = f"Rows to append to {self._name!r} may not have a column {INTERVAL_COLUMN!r}. Rename it."
            raise SchemaError(message)
        with self._stage(rows, base, provenance=provenance, interval=None) as (staging, staged):
            base = self._widen(base, staged.schema) if base else None
            commit = self._attempt(base, staged)
            if commit is None:
                staging.discard()
                newest = self._snapshots.newest()
                raise WriteConflictError(self._moved(expected_version, newest.version if newest else None))
            return commit

    def _widen(self, base: Snapshot, found: pa.Schema) -> Snapshot:
        """Add new columns in a commit of their own, for an appending one cannot; a lost race shows when appending."""
        added = self._new_columns(base, found)
        if not added:
            return base
        once = CommitProperties(max_commit_retries=0)
        before = base.version
        with suppress(CommitFailedError):
            if any(map(_is_local_time, added)) and not _stores_local_times(base):
                base.delta.alter.add_feature(
                    TableFeatures.TimestampWithoutTimezone,
                    allow_protocol_versions_increase=True,
                    commit_properties=once,
                )
                before += 1
            base.delta.alter.add_columns(list(Schema.from_arrow(pa.schema(added)).fields), commit_properties=once)
            before += 1
        newest = self._snapshots.at(None)
        return newest if newest.version == before and not self._new_columns(newest, found) else base

    @contextmanager
    def _stage(
        self,
        rows: pa.Table | pa.RecordBatchReader,
        base: Snapshot | None,
        *,
        provenance: Provenance,
        interval: Interval | None,
    ) -> Iterator[tuple[Staging, Staged]]:
        """Bring rows into their normal form and into files, batch by batch; the files go if that fails."""
        source = rows.schema
        kept = [name for name in source.names if interval is None or name != INTERVAL_COLUMN]
        normal = normal_schema(
            pa.schema([source.field(index) for index, name in enumerate(source.names) if name in kept])
        )
        merged = merge_schemas(self._name, base.row_schema if base else None, normal)
        schema = stored_schema(merged, normal)
        total = RowDigest(schema)
        staging = Staging(self._storage, self._storage.path(self._name), schema=schema, interval=interval)
        try:
            for batch in rows.to_batches() if isinstance(rows, pa.Table) else rows:
                clean = normalise(batch.select(kept) if len(kept) < len(source) else batch, schema)
                total.update(clean)
                staging.write(clean)
            files = staging.finish()
        except BaseException:
            staging.discard()
            raise
        yield staging, Staged(files, total.digest(), schema, provenance)

    def _unchanged(self, snapshot: Snapshot | None, interval: Interval, staged: Staged) -> Commit | None:
        """Return the commit that wrote these very rows for this very interval already."""
        written = snapshot.completeness.live.get(interval) if snapshot else None
        entry = self._snapshots.log.entry(written) if written is not None else None
        commit = Commit.from_log(self._name, written or 0, entry.info, changed=False) if entry else None
        return commit if commit is not None and commit.digest == staged.digest.hex else None

    def _commit_interval(self, interval: Interval, staged: Staged, base: Snapshot | None, staging: Staging) -> Commit:
        replaced = base.completeness.overlapping(interval) if base else {}
        snapshot = base
        for attempt in range(ATTEMPTS):
            snapshot = self._snapshots.after(snapshot) if attempt else base
            if attempt:
                self._require_no_erasure(base, snapshot, staging)
            now = snapshot.completeness.overlapping(interval) if snapshot else {}
            if now != replaced:
                staging.discard()
                same = self._unchanged(snapshot, interval, staged)
                if same is not None:
                    return same
                message = (
                    f"Another writer committed {', '.join(map(str, now)) or 'nothing'} to table {self._name!r} while "
                    f"{interval} was being written, with other rows. Nothing of this write was kept; try again."
                )
                raise WriteConflictError(message)
            commit = self._attempt(snapshot, staged, interval=interval, replaced=replaced)
            if commit is not None:
                return commit
            time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.005 * (attempt + 1))))  # noqa: S311 - not a secret
        staging.discard()
        message = (
            f"Table {self._name!r} took other commits {ATTEMPTS} times while {interval} wanted its turn. "
            "Nothing of this write was kept; try again."
        )
        raise WriteConflictError(message)

    def _require_no_erasure(self, base: Snapshot | None, snapshot: Snapshot | None, staging: Staging) -> None:
        """Raise WriteConflictError where a subject was erased since the write began: the rows may hold them still."""
        since, now = (each.version if each else -1 for each in (base, snapshot))
        for _, entry in self._snapshots.log.entries(range(since + 1, now + 1)):
            if ERASURE in (entry.info.get(RECORD) or {}):
                staging.discard()
                message = (
                    f"A subject was erased from table {self._name!r} while it was being written. Nothing of this write "
                    "was kept; try again."
                )
                raise WriteConflictError(message)

    def _attempt(
        self,
        snapshot: Snapshot | None,
        staged: Staged,
        *,
        interval: Interval | None = None,
        replaced: dict[Interval, int] | None = None,
    ) -> Commit | None:
        """Try to commit as exactly the next version; None where somebody else was faster."""
        version = snapshot.version + 1 if snapshot else 0
        ticket = uuid.uuid4().hex
        record = _record(ticket, staged, interval, replaced or {})
        properties = CommitProperties(
            custom_metadata={RECORD: record},
            max_commit_retries=0,
            app_transactions=[Transaction(application(interval), version)] if interval else None,
        )
        failure: DeltaError | OSError | None = None
        try:
            if snapshot is None:
                self._create(staged, properties, interval)
            else:
                self._replace(snapshot, staged, properties, interval)
        except (DeltaError, OSError) as error:
            failure = error
        # An error does not say whether the commit happened (an answer may be lost, a checkpoint may fail after it).
        entry = self._snapshots.log.entry(version)
        if entry is None:
            message = f"Version {version} of table {self._name!r} could not be committed: {failure}. Try again."
            raise ServiceError(message) from failure
        if entry.info.get(RECORD, {}).get("ticket") != ticket:
            return None
        return Commit.from_log(self._name, version, entry.info, changed=not staged.confirms)

    def _create(self, staged: Staged, properties: CommitProperties, interval: Interval | None) -> None:
        schema = staged.schema.insert(0, pa.field(INTERVAL_COLUMN, UTC_TIME)) if interval else staged.schema
        self._storage.make_folder(self._storage.path(self._name, "_delta_log"))
        create_table_with_add_actions(
            self._storage.uri(self._name),
            Schema.from_arrow(schema),
            staged.files,
            mode="error",
            partition_by=[INTERVAL_COLUMN] if interval else [],
            name=self._name,
            configuration=CONFIGURATION,
            storage_options=self._storage.delta_options,
            commit_properties=properties,
        )

    def _replace(
        self, snapshot: Snapshot, staged: Staged, properties: CommitProperties, interval: Interval | None
    ) -> None:
        schema = pa.schema([*snapshot.schema, *self._new_columns(snapshot, staged.schema)])
        if not _stores_local_times(snapshot) and any(_is_local_time(field) for field in schema):
            # Takes the version that this commit wanted, so that the commit is tried anew on the table as it is then.
            snapshot.delta.alter.add_feature(
                TableFeatures.TimestampWithoutTimezone,
                allow_protocol_versions_increase=True,
                commit_properties=CommitProperties(max_commit_retries=0),
            )
            return
        filters = None
        if interval is not None and not staged.confirms:
            replaced = snapshot.completeness.overlapping(interval)
            filters = [(INTERVAL_COLUMN, "in", _partitions(snapshot, interval, replaced))]
        snapshot.delta.create_write_transaction(
            list(staged.files),
            mode="append" if filters is None else "overwrite",
            schema=schema,
            partition_by=[INTERVAL_COLUMN] if interval else [],
            partition_filters=filters,
            commit_properties=properties,
        )

    def _new_columns(self, snapshot: Snapshot, found: pa.Schema) -> list[pa.Field]:
        """Return what ``found`` adds to the table, whose schema may have changed since the rows were staged."""
        known = snapshot.row_schema
        return list(merge_schemas(self._name, known, found))[len(known) :]

    def _moved(self, expected: int | None, found: int | None) -> str:
        wanted, is_now = ("no table" if version is None else f"version {version}" for version in (expected, found))
        return (
            f"Wanted to append to {wanted} of {self._name!r}, found {is_now}: somebody else wrote meanwhile. "
            "Read it again and decide again."
        )


def _is_local_time(field: pa.Field) -> bool:
    return "timestamp[us]" in str(field.type)  # also inside lists and structs


def _stores_local_times(snapshot: Snapshot) -> bool:
    return "timestampNtz" in (snapshot.delta.protocol().writer_features or ())


def _partitions(snapshot: Snapshot, interval: Interval, replaced: dict[Interval, int]) -> list[str]:
    """Return the partitions that a write of ``interval`` replaces; its own is always among them."""
    starts = {interval.start, *(other.start for other in replaced)}
    inside = {start for start in snapshot.starts if start in interval}
    return [partition_value(start) for start in sorted(starts | inside)]


def _record(ticket: str, staged: Staged, interval: Interval | None, replaced: dict[Interval, int]) -> dict[str, Any]:
    return {
        "ticket": ticket,
        "interval": str(interval) if interval else None,
        "rows": staged.digest.rows,
        "digest": staged.digest.hex,
        "columns": sorted(staged.schema.names),
        "superseded": [str(other) for other in replaced if other != interval],
        "provenance": staged.provenance.as_dict(),
    }
