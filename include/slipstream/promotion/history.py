"""The ledger: who was champion when, why, and by whom. An append-only Delta table, and the truth."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from slipstream.errors import WriteConflictError
from slipstream.intervals import iso, utc

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Model
    from slipstream.lake import Lake, Run

Action = Literal["promoted", "rejected", "undecided", "rolled_back", "void"]

TABLE = "ledger/promotions"
CHANGES: tuple[Action, ...] = ("promoted", "rolled_back")
DOCUMENTS = ("verdict", "approval")  # kept as JSON
ATTEMPTS = 30
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class LedgerRow:
    """One decision about one model.

    Attributes:
        seq: 1, 2, … within the model.
        at: When it was written, UTC; later than every row of the model before it.
        as_of: The time, UTC, as known at which the verdict was made; None for a rollback.
        version: The champion after this row; None before there is one.
        replaces: The champion before this row.
        verdict: The whole document; None for a rollback.
        run_id: The run that wrote it: ``dag_id/run_id``.
        approval: What a person answered, when, and what was asked (see ``Answer``); None where nobody was asked, and
            in rows that were written before the ledger had this column.
    """

    model: str
    seq: int
    at: datetime
    as_of: datetime | None
    action: Action
    version: str | None
    replaces: str | None
    challenger: str | None
    reason: str
    by: str
    verdict: Mapping[str, Any] | None
    verdict_digest: str | None
    run_id: str
    approval: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "at": iso(self.at), "as_of": iso(self.as_of) if self.as_of else None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LedgerRow:
        as_of = values["as_of"]
        return cls(**{**values, "at": utc(values["at"]), "as_of": utc(as_of) if as_of else None})


@dataclass(frozen=True)
class Entry:
    """A row that somebody wants to write; the ledger adds seq, at, replaces and, where it stays, the champion."""

    action: Action
    reason: str
    by: str
    run_id: str
    version: str | None = None
    challenger: str | None = None
    as_of: datetime | None = None
    verdict: Mapping[str, Any] | None = None
    verdict_digest: str | None = None
    approval: Mapping[str, Any] | None = None


def schema() -> pa.Schema:
    """Return the columns of ``ledger/promotions``."""
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    kinds = {"seq": pa.int64(), "at": moment, "as_of": moment}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in LedgerRow.__dataclass_fields__])


def name_of(model: Model | str) -> str:
    """Return a model's name, of a definition or as it is."""
    return model if isinstance(model, str) else model.name


def ledger(model: Model | str, *, lake: Lake) -> list[LedgerRow]:
    """Return every row of ``model``, oldest first; none where nothing was ever decided."""
    return _read(name_of(model), lake)[0]


def models(*, lake: Lake) -> list[str]:
    """Return the name of every model about which something was decided, also of those whose definition is gone."""
    table = lake.table(TABLE)
    return sorted(set(table.read(columns=["model"])["model"].to_pylist())) if table.exists() else []


def champion(model: Model | str, *, lake: Lake, at: datetime | None = None) -> LedgerRow | None:
    """Return the row that made the champion of now, or of the moment ``at`` (UTC); None where there was none."""
    return last_change(ledger(model, lake=lake), at=at)


def last_change(rows: Sequence[LedgerRow], *, at: datetime | None = None) -> LedgerRow | None:
    """Return the last row, until ``at``, that changed the champion."""
    moment = utc(at) if at is not None else None
    changes = [row for row in rows if row.action in CHANGES and (moment is None or row.at <= moment)]
    return changes[-1] if changes else None


def stack(rows: Sequence[LedgerRow]) -> list[str]:
    """Return the champions that one can go back through, the present one last; a rollback takes away what it left."""
    held: list[str] = []
    for row in rows:
        if row.action not in CHANGES or row.version is None:
            continue
        if row.version in held:
            del held[held.index(row.version) :]
        held.append(row.version)
    return held


def append(
    model: Model | str, *, lake: Lake, run: Run, decide: Callable[[list[LedgerRow]], Entry | LedgerRow]
) -> LedgerRow:
    """Write one row if the ledger still is what ``decide`` saw; else ask ``decide`` again with what it is now.

    ``decide`` returns the entry to write, or a row that is there already (then nothing is written), or raises.

    Raises:
        WriteConflictError: Others kept writing; nothing was written.
    """
    from slipstream.lake import Provenance

    name, table = name_of(model), lake.table(TABLE)
    for attempt in range(ATTEMPTS):
        rows, version = _read(name, lake)
        wanted = decide(rows)
        if isinstance(wanted, LedgerRow):
            return wanted
        row = _next(name, rows, wanted)
        extra = {"model": name, "action": row.action, "version": row.version}
        try:
            table.append(_to_arrow(row), expected_version=version, provenance=Provenance(run=run, extra=extra))
        except WriteConflictError:
            time.sleep(random.uniform(0, 0.02 * min(attempt + 1, 10)))  # noqa: S311 - to part two writers
            continue
        return row
    message = f"The ledger was written by others {ATTEMPTS} times while {name!r} tried. Nothing was written; try again."
    raise WriteConflictError(message)


def _read(model: str, lake: Lake) -> tuple[list[LedgerRow], int | None]:
    import pyarrow.compute as pc

    table = lake.table(TABLE)
    version = table.version()
    if version is None:
        return [], None
    there = set(table.schema(version).names)  # a ledger of an earlier release lacks the columns that came since
    columns = [name for name in schema().names if name in there]
    found = table.read(version=version, where=pc.field("model") == model, columns=columns)
    rows = [_from_arrow(values) for values in found.to_pylist()]
    return sorted(rows, key=lambda row: row.seq), version


def _next(model: str, rows: Sequence[LedgerRow], entry: Entry) -> LedgerRow:
    before = last_change(rows)
    holder = before.version if before else None
    now = datetime.now(UTC)
    return LedgerRow(
        model=model,
        seq=rows[-1].seq + 1 if rows else 1,
        at=max(now, rows[-1].at + _TICK) if rows else now,  # a clock that was set back does not reorder history
        as_of=entry.as_of,
        action=entry.action,
        version=entry.version if entry.action in CHANGES else holder,
        replaces=holder,
        challenger=entry.challenger,
        reason=entry.reason,
        by=entry.by,
        verdict=entry.verdict,
        verdict_digest=entry.verdict_digest,
        run_id=entry.run_id,
        approval=entry.approval,
    )


def _to_arrow(row: LedgerRow) -> pa.Table:
    import pyarrow as pa

    texts = {
        name: json.dumps(value, sort_keys=True) if (value := getattr(row, name)) is not None else None
        for name in DOCUMENTS
    }
    values = {**{name: getattr(row, name) for name in schema().names}, **texts}
    return pa.Table.from_pylist([values], schema=schema())


def _from_arrow(values: Mapping[str, Any]) -> LedgerRow:
    documents = {name: json.loads(text) if (text := values.get(name)) else None for name in DOCUMENTS}
    return LedgerRow(**{**values, **documents})
