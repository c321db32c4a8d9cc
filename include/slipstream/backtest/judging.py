"""The gate's verdict on two versions of a backtest: the same rows, checks and rules as in a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.backtest.rows import ROW

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.backtest.rows import Rows
    from slipstream.backtest.store import Store
    from slipstream.backtest.versions import Version
    from slipstream.definitions import Model


def verdict(
    model: Model, challenger: Version, champion: Version, as_of: datetime, rows: Rows, store: Store
) -> dict[str, Any]:
    """Return outcome, reason and the checks' outcomes of a promotion at ``as_of`` (UTC); asked once."""
    parts = {
        "gate": [each.model_dump(mode="json") for each in model.gate],
        "evaluation": model.evaluation.model_dump(mode="json"),
        "versions": [challenger.key, champion.key],
        "as_of": as_of,
    }
    return store.remember("verdicts", parts, lambda: _judge(model, challenger, champion, as_of, rows))


def _judge(model: Model, ours: Version, theirs: Version, as_of: datetime, rows: Rows) -> Mapping[str, Any]:
    from slipstream.lake import digest_rows
    from slipstream.promotion.evaluation import between, poor_rows
    from slipstream.promotion.gate import Evidence
    from slipstream.promotion.verdict import judge

    comparison, evidence = between(model, ours, theirs, as_of), None
    if comparison.problem is None:
        found = rows.known(comparison.start, comparison.end, as_of)
        plain = found.drop_columns([ROW])
        comparison = replace(
            comparison, rows=plain.num_rows, digest=digest_rows(plain).hex, problem=poor_rows(model, plain)
        )
        by_name = {each.version: each for each in (ours, theirs)}
        scored = _scored(found, ours, theirs)
        evidence = Evidence(model, comparison, scored, lambda version: by_name[version].load(model))
    outcome, reason, checks = judge(model, comparison, evidence)
    return {
        "outcome": outcome,
        "reason": reason,
        "rows": comparison.rows,
        "checks": [{"name": each.name, "outcome": each.outcome, "sentence": each.sentence} for each in checks],
    }


def _scored(found: pa.Table, ours: Version, theirs: Version) -> pa.Table:
    import pyarrow as pa

    numbers = found[ROW].to_numpy()
    rows = found.drop_columns([ROW]).append_column("challenger", pa.array(ours.score(numbers)))
    return rows.append_column("champion", pa.array(theirs.score(numbers)))
