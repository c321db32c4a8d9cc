"""The last verdict on a model as sentences, also one that waits for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import SlipstreamError
from slipstream.intervals import utc
from slipstream.overview.cache import LARGE
from slipstream.promotion.history import TABLE
from slipstream.promotion.recording import DOCUMENT

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake, Table
    from slipstream.overview.decisions import Decision
    from slipstream.promotion import Registry


@dataclass(frozen=True)
class LastVerdict:
    """A verdict in words.

    Attributes:
        decision: What followed; None while nobody has decided.
        checks: Name, outcome and sentence of each check.
    """

    challenger: str
    champion: str | None
    outcome: str
    reason: str
    decided_at: datetime
    rows: int
    checks: Sequence[tuple[str, str, str]]
    decision: Decision | None

    @classmethod
    def of(cls, document: Mapping[str, Any], decision: Decision | None) -> LastVerdict:
        checks = [(each["name"], each["outcome"], each["sentence"]) for each in document["checks"]]
        return cls(
            challenger=str(document["challenger"]),
            champion=document["champion"],
            outcome=document["outcome"],
            reason=document["reason"],
            decided_at=utc(document["decided_at"]),
            rows=int(document["comparison"]["rows"]),
            checks=checks,
            decision=decision,
        )


@dataclass(frozen=True)
class Worth:
    """What predictions were worth, by the gate's check ``value``, on the rows of one verdict.

    Attributes:
        at: When it was decided, UTC.
        challenger, champion: In ``unit`` a day; champion is None where there was none.
    """

    at: datetime
    version: str
    challenger: float
    champion: float | None
    unit: str


def worth_over_time(model: Model, *, lake: Lake) -> Sequence[Worth]:
    """Return what the gate's check ``value`` found at each verdict, oldest first; none where the gate has no such."""
    if not any(each.check == "value" for each in model.gate):
        return ()
    return LARGE.of(lake, TABLE, ("worth", model.name), lambda table: _worth(table, model.name))


def last_verdict(
    model: Model, found: Sequence[Decision], *, lake: Lake, registry: Registry | None, waiting: str | None
) -> LastVerdict | None:
    """Return the newest verdict among a model's decisions, or the one on the version that waits for a decision.

    Args:
        registry: Asked only about ``waiting``; where it does not answer, the ledger alone does.
    """
    undecided = _logged(model.name, waiting, registry) if registry is not None and waiting is not None else None
    judged = [each for each in found if each.judged]
    if not judged:
        return LastVerdict.of(undecided, None) if undecided else None
    last = judged[-1]
    if undecided and utc(undecided["decided_at"]) > last.at:
        return LastVerdict.of(undecided, None)
    what = ("verdict", last.model, last.seq)
    document = LARGE.of(lake, TABLE, what, lambda table: _document(table, last))
    return LastVerdict.of(document, last) if document else None


def _document(table: Table, last: Decision) -> Mapping[str, Any] | None:
    import pyarrow.compute as pc

    where = (pc.field("model") == last.model) & (pc.field("seq") == last.seq)
    found = table.read(columns=["verdict"], where=where).to_pylist()
    text = found[0]["verdict"] if found else None
    return json.loads(text) if text else None


def _logged(model: str, version: str, registry: Registry) -> Mapping[str, Any] | None:
    try:
        text = registry.document(registry.details(model, version).run_id, DOCUMENT)
    except SlipstreamError:
        return None
    return json.loads(text) if text else None


def _worth(table: Table, model: str) -> Sequence[Worth]:
    import pyarrow.compute as pc

    if table.stamp() is None:
        return ()
    found = table.read(columns=["seq", "verdict"], where=pc.field("model") == model).sort_by("seq")
    documents = (json.loads(text) for text in found["verdict"].to_pylist() if text)
    measured = ((document, _numbers(document)) for document in documents)
    return [
        Worth(
            at=utc(document["decided_at"]),
            version=str(document["challenger"]),
            challenger=numbers["challenger_a_day"],
            champion=numbers.get("champion_a_day"),
            unit=str(numbers.get("unit", "")),
        )
        for document, numbers in measured
        if numbers is not None
    ]


def _numbers(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = (each["numbers"] for each in document["checks"] if each["name"] == "value")
    return next((numbers for numbers in found if "challenger_a_day" in numbers), None)
