"""The ledger without its documents: who decided what about which version, and who was champion from when to when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.intervals import utc
from slipstream.overview.cache import SMALL
from slipstream.promotion.history import CHANGES, TABLE

if TYPE_CHECKING:
    from slipstream.lake import Lake, Table

_COLUMNS = ("model", "seq", "at", "as_of", "action", "version", "replaces", "challenger", "reason", "by")


@dataclass(frozen=True)
class Decision:
    """One row of the ledger, without verdict and approval; see ``LedgerRow``."""

    model: str
    seq: int
    at: datetime
    as_of: datetime | None
    action: str
    version: str | None
    replaces: str | None
    challenger: str | None
    reason: str
    by: str
    judged: bool

    @property
    def changes(self) -> bool:
        """Whether another version was champion afterwards."""
        return self.action in CHANGES


@dataclass(frozen=True)
class Reign:
    """How long a version was champion: in ``[since, until)``, UTC; None where it still is."""

    version: str
    since: datetime
    until: datetime | None
    decision: Decision


def decisions(*, lake: Lake) -> Mapping[str, Sequence[Decision]]:
    """Return every model's decisions, oldest first."""
    return SMALL.of(lake, TABLE, "decisions", _read)


def reigns(found: Sequence[Decision]) -> list[Reign]:
    """Return one model's champions, oldest first."""
    changes = [each for each in found if each.changes and each.version is not None]
    ends = [each.at for each in changes[1:]]
    return [Reign(str(each.version), each.at, until, each) for each, until in zip(changes, [*ends, None], strict=False)]


def _read(table: Table) -> Mapping[str, Sequence[Decision]]:
    if table.stamp() is None:
        return {}
    rows: dict[str, list[Decision]] = {}
    for row in table.read(columns=[*_COLUMNS, "verdict_digest"]).to_pylist():
        rows.setdefault(row["model"], []).append(_decision(row))
    return {model: sorted(found, key=lambda each: each.seq) for model, found in rows.items()}


def _decision(row: Mapping[str, Any]) -> Decision:
    plain = {name: row[name] for name in _COLUMNS}
    as_of = utc(row["as_of"]) if row["as_of"] else None
    return Decision(**{**plain, "at": utc(row["at"]), "as_of": as_of}, judged=row["verdict_digest"] is not None)
