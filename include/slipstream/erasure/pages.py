"""Report pages that were drawn from rows of the subject."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow.fs as pafs

from slipstream.intervals import Interval, Schedule, utc
from slipstream.lake.storage import Storage
from slipstream.monitoring.inputs import BEFORE

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings


def pages_with(
    model: str,
    predicted: Collection[datetime],
    versions: Collection[str],
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
) -> list[str]:
    """Return the pages of ``model`` whose rows may have been the subject's, as paths below the reports root.

    Args:
        predicted: Starts (UTC) of the scoring intervals that held predictions of the subject.
        versions: Versions whose reference sample held the subject: each page shows it beside the window.
    """
    storage = Storage(settings.reports, settings.storage_options())
    base = storage.path(model)
    infos = storage.filesystem.get_file_info(pafs.FileSelector(base, allow_not_found=True, recursive=True))
    pages = [info.path.removeprefix(f"{storage.base}/") for info in infos if info.is_file]
    if not pages or not (predicted or versions):
        return []
    definition = definitions.models.get(model)
    compared = _compared(model, lake) if versions else {}

    def shows_the_subject(page: str) -> bool:
        start = _start_of(page)
        if start is None or definition is None:
            return True
        reach = _reach(definition, start)
        seen = any(each in reach for each in predicted)
        return seen or bool(versions and compared.get(start, frozenset(versions)) & frozenset(versions))

    return sorted(page for page in pages if shows_the_subject(page))


def remove_pages(pages: Sequence[str], *, settings: Settings) -> None:
    """Delete pages; one that is gone already is fine."""
    storage = Storage(settings.reports, settings.storage_options())
    for page in pages:
        if storage.filesystem.get_file_info(storage.path(page)).type == pafs.FileType.File:
            storage.filesystem.delete_file(storage.path(page))


def _start_of(page: str) -> datetime | None:
    """Return the start of a page's interval (see ``monitoring.reports``)."""
    parts = page.split("/")
    try:
        return utc(datetime.strptime(parts[1], "%Y-%m-%dT%H%M%SZ"))
    except (IndexError, ValueError):
        return None


def _reach(model: Model, start: datetime) -> Interval:
    """Return the time whose predictions a page of the interval that begins at ``start`` may show."""
    bounds = model.monitoring
    end = Schedule(bounds.schedule).interval_at(start).end
    earlier = max((BEFORE[name] for name in bounds.also_compare), default=timedelta())
    back = bounds.window + max(model.label.maturity, earlier)
    return Interval(model.cron.floor(end - back), end)


def _compared(model: str, lake: Lake) -> dict[datetime, frozenset[str]]:
    """Return the versions with whose reference each interval was compared, by its start (UTC)."""
    table = lake.table(f"monitoring/{model}")
    if not table.exists():
        return {}
    rows = table.read(columns=["interval_start", "model_version"]).to_pylist()
    found: dict[datetime, set[str]] = {}
    for row in rows:
        if row["model_version"] is not None:
            found.setdefault(utc(row["interval_start"]), set()).add(row["model_version"])
    return {start: frozenset(versions) for start, versions in found.items()}
