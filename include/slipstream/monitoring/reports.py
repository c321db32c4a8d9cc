"""Evidently's HTML, kept once for each window."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.intervals import iso
from slipstream.lake.storage import Storage

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.intervals import Interval
    from slipstream.promotion import Registry
    from slipstream.settings import Settings

REPORT, UNTIL = "slipstream.report", "slipstream.report_until"


def keep_report(model: Model, interval: Interval, name: str, snapshot: Any, *, settings: Settings) -> str:
    """Save a report under the reports root and return its path there; the same window again replaces it."""
    relative = _path(model, interval, name)
    storage = Storage(settings.reports, settings.storage_options())
    target = storage.path(relative)
    storage.make_folder(target.rpartition("/")[0])
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        snapshot.save_html(str(page))
        if storage.is_local:
            # A name of its own, so that two tries of one window do not write into each other's file.
            partial = Path(f"{target}.{uuid.uuid4().hex}.partial")
            try:
                partial.write_bytes(page.read_bytes())
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        else:
            with storage.filesystem.open_output_stream(target) as sink:
                sink.write(page.read_bytes())
    return relative


def link_report(
    registry: Registry, model: Model, version: str, interval: Interval, path: str, settings: Settings
) -> None:
    """Name the report in the version's run, as tags, unless it names one of a later window already."""
    from slipstream.errors import NotFoundError

    try:
        run_id = registry.details(model.name, version).run_id
    except NotFoundError:  # registered by hand: its run, if it has one, is not ours to write to
        return
    if registry.run_tags(run_id).get(UNTIL, "") <= iso(interval.end):
        registry.tag_run(run_id, {REPORT: report_uri(settings, path), UNTIL: iso(interval.end)})


def kept_report(model: Model, interval: Interval, name: str, *, settings: Settings) -> str | None:
    """Return the path of a report below the reports root, None where none was kept."""
    from pyarrow.fs import FileType

    relative, storage = _path(model, interval, name), Storage(settings.reports, settings.storage_options())
    found = storage.filesystem.get_file_info(storage.path(relative))
    return relative if found.type == FileType.File else None


def _path(model: Model, interval: Interval, name: str) -> str:
    return f"{model.name}/{interval.start:%Y-%m-%dT%H%M%SZ}/{name}.html"


def report_uri(settings: Settings, relative: str) -> str:
    """Return where a kept report lies, for a link."""
    return Storage(settings.reports, settings.storage_options()).uri(relative)
