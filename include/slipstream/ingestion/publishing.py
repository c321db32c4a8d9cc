"""The last step: write a validated batch into the lake, quarantine first, so that a complete raw interval has both."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from slipstream.definitions import Source
from slipstream.errors import FatalError, IncompleteError, WriteConflictError
from slipstream.ingestion.batch import PublishedBatch, ValidatedBatch
from slipstream.ingestion.entries import ENTRIES, quarantine_table, released_only, stored_corrections
from slipstream.ingestion.parts import StagedRows
from slipstream.ingestion.staging import Staging
from slipstream.ingestion.validating import RELEASED
from slipstream.lake import Commit, Lake, Provenance, Run
from slipstream.settings import Settings

FILES_NAMED = 1_000  # in a commit's provenance
_ERASED = (
    "A subject was erased while the batch {source} {interval} was on its way, and the lake left the subject's rows "
    "out. Run load_batch again, so that the counts are those of the rows."
)


def publish_batch(
    source: Source, validated: ValidatedBatch, *, lake: Lake, settings: Settings, run: Run
) -> PublishedBatch:
    """Write the rows of a batch to ``raw/<source>`` and its quarantined rows to ``quarantine/<source>``.

    Each is one commit that replaces the interval; the same rows again make none. A kill between the two is mended by
    trying again. The staged batch is deleted at the end; to publish it once more then changes nothing.

    Raises:
        IncompleteError: The staged batch is gone, and the lake holds another one; or rows were released meanwhile.
        WriteConflictError: Another run wrote other rows to the interval meanwhile.
        FatalError: Rows in are not rows accepted and rows quarantined.
    """
    staging = Staging(validated.staging, settings)
    note = staging.read_note("published")
    if note is not None:
        return _published_before(PublishedBatch.from_dict(note), source, lake)
    staging.require("validated")
    staged = StagedRows(staging)
    _balance(validated, staging, staged)
    _require_releases(source, validated, staging, lake)
    provenance = _provenance(source, validated, run)
    entries = _reader(ENTRIES, (staging.read(name) for name in staging.parts("quarantine")))
    set_aside = lake.table(quarantine_table(source.name)).write(validated.interval, entries, provenance=provenance)
    rows = _reader(source.table_schema, _rows(staging, staged))
    commit = lake.table(source.table).write(validated.interval, rows, provenance=provenance)
    _require_still(set_aside, lake)
    if (commit.rows, set_aside.rows) != (validated.accepted, validated.quarantined + validated.released):
        raise IncompleteError(_ERASED.format(source=source.name, interval=validated.interval))
    published = PublishedBatch(
        source=source.name,
        interval=validated.interval,
        rows_in=validated.rows_in,
        accepted=validated.accepted,
        quarantined=validated.quarantined,
        released=validated.released,
        version=commit.version,
        digest=commit.digest,
        changed=commit.changed,
        quarantine_version=set_aside.version,
        quarantine_digest=set_aside.digest,
    )
    staging.write_note("published", published.as_dict())
    staging.clear(keep="published.json")
    return published


def _provenance(source: Source, validated: ValidatedBatch, run: Run) -> Provenance:
    counts = {name: getattr(validated, name) for name in ("rows_in", "accepted", "quarantined", "released")}
    left_out = {"suppressed": validated.suppressed} if validated.suppressed else {}
    extra = {
        "stage": "ingestion",
        **counts,
        **left_out,
        "files": list(validated.files[:FILES_NAMED]),
        "ignored_columns": list(validated.ignored_columns),
    }
    return Provenance(run=run, definition=source.digest, extra=extra)


def _rows(staging: Staging, staged: StagedRows) -> Iterator[pa.Table]:
    for _, rows in staged.tables():
        yield rows
    for name in staging.parts(RELEASED):
        yield staging.read(name)


def _reader(schema: pa.Schema, tables: Iterator[pa.Table]) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, (batch for table in tables for batch in table.to_batches()))


def _balance(validated: ValidatedBatch, staging: Staging, staged: StagedRows) -> None:
    """Count what is staged: every row that came in is accepted or in quarantine, and none is both."""
    names = staging.parts("quarantine")
    released = sum(staging.rows(name) for name in staging.parts(RELEASED))
    entries = sum(staging.rows(name) for name in names)
    let_go = released_only(staging.read(name) for name in names) if released else 0
    accepted, quarantined = staged.count + released, entries - let_go
    found = (accepted + quarantined, accepted, quarantined, let_go)
    wanted = (validated.rows_in, validated.accepted, validated.quarantined, released)
    if found != wanted:
        message = (
            f"The batch {validated.source} {validated.interval} does not add up: wanted (rows in, accepted, "
            f"quarantined, released) {wanted}, found {found} under {staging.place}. Nothing was published; run "
            "load_batch again."
        )
        raise FatalError(message)


def _require_releases(source: Source, validated: ValidatedBatch, staging: Staging, lake: Lake) -> None:
    """Raise IncompleteError where rows were released after the batch was validated: publishing would undo that."""
    stored = stored_corrections(lake, source, validated.interval)
    staged: dict[str, str | None] = {}
    for name in staging.parts("quarantine") if stored else ():
        entries = staging.read(name, ["id", "corrected"])
        staged |= dict(zip(entries["id"].to_pylist(), entries["corrected"].to_pylist(), strict=True))
    lost = sorted(id_ for id_, text in stored.items() if id_ in staged and staged[id_] != text)
    if lost:
        message = (
            f"Quarantined rows of {source.name!r} {validated.interval} were released after this batch was validated: "
            f"{', '.join(lost)}. Nothing was published; run load_batch again, so that they are let in."
        )
        raise IncompleteError(message)


def _require_still(set_aside: Commit, lake: Lake) -> None:
    """Raise WriteConflictError where another run has written the quarantine since: the two tables would not match."""
    now = lake.table(set_aside.table).commit_of(set_aside.interval) if set_aside.interval else None
    if now is None or now.digest != set_aside.digest:
        message = (
            f"{set_aside.table} {set_aside.interval} was written by another run while this batch was published. "
            "Try again, so that the accepted and the quarantined rows are of one batch."
        )
        raise WriteConflictError(message)


def _published_before(published: PublishedBatch, source: Source, lake: Lake) -> PublishedBatch:
    commit = lake.table(source.table).commit_of(published.interval)
    if commit is None or commit.digest != published.digest:
        message = (
            f"The staged batch {published.source} {published.interval} was published and deleted, and the lake holds "
            "another one since. Run load_batch again."
        )
        raise IncompleteError(message)
    return published
