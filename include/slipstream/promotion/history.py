"""The ledger: who was champion when, why, and by whom. An append-only Delta table, and the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from slipstream.intervals import iso, utc
from slipstream.lake import Journal

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Model
    from slipstream.lake import Lake, Run

Action = Literal["promoted", "rejected", "undecided", "rolled_back", "void"]

TABLE = "ledger/promotions"
CHANGES: tuple[Action, ...] = ("promoted", "rolled_back")
DOCUMENTS = ("verdict", "approval")  # kept as JSON


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
    return [_from_arrow(values) for values in _journal(lake).rows(name_of(model))]


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

    def of_values(kept: Sequence[dict[str, Any]]) -> dict[str, Any]:
        rows = [_from_arrow(values) for values in kept]
        wanted = decide(rows)
        if isinstance(wanted, LedgerRow):
            return next(values for values in kept if values["seq"] == wanted.seq)
        before = last_change(rows)
        holder = before.version if before else None
        version = wanted.version if wanted.action in CHANGES else holder
        texts = {name: _text(getattr(wanted, name)) for name in DOCUMENTS}
        return {**wanted.__dict__, **texts, "version": version, "replaces": holder}

    found = _journal(lake).append(name_of(model), of_values, run=run)
    assert found is not None  # noqa: S101 - ``of_values`` never returns None
    return _from_arrow(found[0])


def _journal(lake: Lake) -> Journal:
    own = ("model", "seq", "at")
    return Journal(
        lake, TABLE, {field.name: field.type for field in schema() if field.name not in own}, told=("action", "version")
    )


def _text(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else json.dumps(document, sort_keys=True)


def _from_arrow(values: Mapping[str, Any]) -> LedgerRow:
    documents = {name: json.loads(text) if (text := values.get(name)) else None for name in DOCUMENTS}
    return LedgerRow(**{**values, **documents})
