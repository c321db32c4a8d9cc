"""How many rows each day brought: predictions of a model, and what its sources accepted and set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from slipstream.intervals import Interval
from slipstream.overview.cache import LARGE

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake


@dataclass(frozen=True)
class SourceCounts:
    """Rows of one source in a span of time.

    Attributes:
        latest: Its newest complete interval, of all time.
        last_quarantined: The start of the newest interval of the span that has a row in quarantine, UTC.
    """

    name: str
    accepted: int
    quarantined: int
    latest: Interval | None
    last_quarantined: datetime | None

    @property
    def share(self) -> float | None:
        """The share that was set aside; None where nothing came."""
        total = self.accepted + self.quarantined
        return self.quarantined / total if total else None


def sources_feeding(model: Model, *, definitions: Definitions) -> list[str]:
    """Return the sources that a model depends on, through any number of views, sorted."""
    return _feeding(model, definitions, "raw")


def views_feeding(model: Model, *, definitions: Definitions) -> list[str]:
    """Return the views that a model depends on, also through another view, sorted."""
    return _feeding(model, definitions, "features")


def _feeding(model: Model, definitions: Definitions, kind: str) -> list[str]:
    found: set[str] = set()
    waiting = [f"features/{name}" for name in model.views]
    waiting += [given.table for part in (model.population, model.label) for given in part.inputs.values()]
    while waiting:
        table = waiting.pop()
        if table in found:
            continue
        found.add(table)
        view = definitions.views.get(table.removeprefix("features/"))
        if view is not None and table.startswith("features/"):
            waiting += [given.table for given in view.inputs.values()]
    return sorted(table.removeprefix(f"{kind}/") for table in found if table.startswith(f"{kind}/"))


def sources_of(model: Model, span: Interval, *, definitions: Definitions, lake: Lake) -> list[SourceCounts]:
    """Return the counts of every source of a model in the intervals that start in ``span``."""
    return [_counts(name, span, lake) for name in sources_feeding(model, definitions=definitions)]


def predictions_a_day(model: Model, span: Interval, *, lake: Lake) -> dict[date, int]:
    """Return how many predictions the intervals that start on each day of ``span`` hold, in UTC; unscored days miss."""
    found: dict[date, int] = {}
    for interval, rows in _within(_rows(model.table, lake), span):
        found[interval.start.date()] = found.get(interval.start.date(), 0) + rows
    return found


def _counts(name: str, span: Interval, lake: Lake) -> SourceCounts:
    accepted, quarantined = (_rows(f"{kind}/{name}", lake) for kind in ("raw", "quarantine"))
    bad = [interval.start for interval, rows in _within(quarantined, span) if rows]
    return SourceCounts(
        name=name,
        accepted=sum(rows for _, rows in _within(accepted, span)),
        quarantined=sum(rows for _, rows in _within(quarantined, span)),
        latest=max(accepted, default=None),
        last_quarantined=max(bad, default=None),
    )


def _rows(table: str, lake: Lake) -> Mapping[Interval, int]:
    return LARGE.of(lake, table, "counts", lambda opened: opened.counts())


def _within(counts: Mapping[Interval, int], span: Interval) -> Iterator[tuple[Interval, int]]:
    return ((interval, rows) for interval, rows in counts.items() if interval.start in span)
