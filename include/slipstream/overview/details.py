"""Everything that one model's page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from slipstream.errors import SlipstreamError
from slipstream.intervals import Interval
from slipstream.overview.cache import LARGE
from slipstream.overview.decisions import Decision, Reign, decisions, reigns
from slipstream.overview.models import UNDECIDED, OverviewRow, row_of
from slipstream.overview.sources import SourceCounts, predictions_a_day, sources_of
from slipstream.overview.verdicts import LastVerdict, Worth, last_verdict, worth_over_time
from slipstream.overview.watched import Watched, newest_watched, watched
from slipstream.promotion.history import TABLE

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.overview.challengers import Aliases
    from slipstream.promotion import Lineage, Registry, VersionDetails
    from slipstream.settings import Settings

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ModelDetails:
    """What one model's page shows.

    Attributes:
        span: What lines, map and counts are of, in UTC; it ends with what is newest, not with now.
        reigns: Its champions, oldest first.
        decisions: Every row of the ledger, oldest first.
        worth: What predictions were worth a day at each verdict, for a gate that asks; oldest first.
        made_of: What the champion was made of; None without a champion, or where the registry does not answer.
    """

    row: OverviewRow
    span: Interval
    reigns: Sequence[Reign]
    decisions: Sequence[Decision]
    verdict: LastVerdict | None
    worth: Sequence[Worth]
    watched: Watched
    predictions: Mapping[date, int]
    sources: Sequence[SourceCounts]
    made_of: VersionDetails | None

    @property
    def model(self) -> Model:
        return self.row.model


def model_details(
    model: Model,
    *,
    definitions: Definitions,
    lake: Lake,
    registry: Registry | None,
    aliases: Aliases | None = None,
    days: int = 90,
    now: datetime | None = None,
) -> ModelDetails:
    """Return what the page of ``model`` shows of the last ``days`` that have anything to show.

    Args:
        registry: None where MLflow does not answer: what it alone knows is left out then; so with ``aliases``.
    """
    moment = now or datetime.now(UTC)
    found = decisions(lake=lake).get(model.name, ())
    row = row_of(model, found, lake=lake, aliases=aliases, now=moment)
    span = _span(model, row, moment, days, lake)
    waiting = row.challenger.version if row.challenger and row.challenger.state == UNDECIDED else None
    return ModelDetails(
        row=row,
        span=span,
        reigns=reigns(found),
        decisions=found,
        verdict=last_verdict(model, found, lake=lake, registry=registry, waiting=waiting),
        worth=worth_over_time(model, lake=lake),
        watched=watched(model, span, lake=lake),
        predictions=predictions_a_day(model, span, lake=lake),
        sources=sources_of(model, span, definitions=definitions, lake=lake),
        made_of=_made_of(model, row.champion, registry),
    )


def lineage(model: str, version: str, *, lake: Lake, settings: Settings) -> Lineage:
    """Return ``trace``; it is kept until the ledger changes, for a version's lineage never does but in its aliases."""
    from slipstream.promotion import trace

    what = ("lineage", model, version)
    return LARGE.of(lake, TABLE, what, lambda _: trace(model, version, lake=lake, settings=settings))


def _span(model: Model, row: OverviewRow, now: datetime, days: int, lake: Lake) -> Interval:
    """Return the days that end with the newest prediction or window: a replay of years ago shows something, too."""
    ends = [end for end in (row.scored.end if row.scored else None, newest_watched(model, lake=lake)) if end]
    end = max(ends, default=now)
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    last = midnight if midnight == end else midnight + _DAY
    begin = max(last - timedelta(days=days), model.start)  # nothing is older than the model
    return Interval(min(begin, last - _DAY), last)


def _made_of(model: Model, version: str | None, registry: Registry | None) -> VersionDetails | None:
    if registry is None or version is None:
        return None
    try:
        return registry.details(model.name, version)
    except SlipstreamError:
        return None
