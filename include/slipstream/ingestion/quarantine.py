"""What was set aside: list it, look at it, and let corrected rows back in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from slipstream.errors import NotFoundError
from slipstream.ingestion.entries import quarantine_table, read_entries
from slipstream.ingestion.releasing import Released, release
from slipstream.intervals import Interval
from slipstream.lake import Lake

__all__ = ["QuarantinedInterval", "Released", "list_quarantine", "release", "show"]


@dataclass(frozen=True)
class QuarantinedInterval:
    """How many rows of an interval were set aside.

    Attributes:
        rows: Rows in quarantine now, without the released ones.
        released: Rows that a correction let back in.
        reasons: Rows by the rule that they broke, the most frequent first.
    """

    source: str
    interval: Interval
    rows: int
    released: int
    reasons: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "interval": str(self.interval), "reasons": dict(self.reasons)}


def list_quarantine(
    lake: Lake, source: str | None = None, *, start: datetime | None = None, end: datetime | None = None
) -> list[QuarantinedInterval]:
    """Return the intervals that have quarantined or released rows, by source and time.

    Args:
        source: Only this source's.
        start: Only intervals that start at or after it.
        end: Only intervals that start before it.
    """
    prefix = quarantine_table("")
    names = [name.removeprefix(prefix) for name in lake.tables() if name.startswith(prefix)]
    wanted = [name for name in names if source is None or name == source]
    return [found for name in wanted for found in _intervals(lake, name, start, end)]


def _intervals(lake: Lake, source: str, start: datetime | None, end: datetime | None) -> list[QuarantinedInterval]:
    table = lake.table(quarantine_table(source))
    version = table.version()
    rows = table.read(start, end, columns=["interval_start", "rule", "released"], version=version)
    counts = rows.group_by(["interval_start", "rule", "released"]).aggregate([([], "count_all")]).to_pylist()
    by_start: dict[datetime, list[dict[str, Any]]] = {}
    for count in counts:
        by_start.setdefault(count["interval_start"], []).append(count)
    known = {interval.start: interval for interval in table.intervals(version)}
    return [_summary(source, known[moment], by_start[moment]) for moment in sorted(by_start)]


def _summary(source: str, interval: Interval, counts: list[dict[str, Any]]) -> QuarantinedInterval:
    kept = sorted((-count["count_all"], count["rule"]) for count in counts if not count["released"])
    released = sum(count["count_all"] for count in counts if count["released"])
    reasons = {rule: -rows for rows, rule in kept}
    return QuarantinedInterval(source, interval, sum(reasons.values()), released, reasons)


def show(source: str, interval: Interval, *, lake: Lake, ids: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return an interval's quarantined rows in order of file and line, each with the ``run`` that set it aside.

    Raises:
        NotFoundError: An id is not among them.
    """
    entries = read_entries(lake, source, interval)
    order = pa.array(range(entries.num_rows), pa.int64())
    entries = entries.append_column("order", order).sort_by(
        [("file", "ascending"), ("line", "ascending"), ("order", "ascending")]
    )
    rows = [row for row in entries.drop_columns("order").to_pylist() if not ids or row["id"] in ids]
    missing = sorted(set(ids) - {row["id"] for row in rows})
    if missing:
        message = (
            f"The quarantine of {source!r} has no row {', '.join(missing)} in {interval}. "
            f"`slipstream quarantine show {source} --interval {interval}` lists those it has."
        )
        raise NotFoundError(message)
    commit = lake.table(quarantine_table(source)).commit_of(interval)
    run = commit.provenance.get("run", {}) if commit else {}
    return [{**row, "run": run} for row in rows]
