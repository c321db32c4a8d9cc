"""A landing folder, a lake, and sources made for one test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.definitions import Source
from slipstream.definitions.source import Contract
from slipstream.ingestion import PublishedBatch, ingest
from slipstream.ingestion.quarantine import show
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.settings import Settings

DAY = Interval.parse("2013-01-31")
RUN = Run(dag_id="trips.ingestion", run_id="manual", task_id="load_batch", by="tester")
COLUMNS: Mapping[str, Any] = {
    "trip": {"type": "int64", "required": True},
    "city": "string",
    "fare": "float64",
    "at": {"type": "timestamp", "required": True},
}
HEADER = "trip,city,fare,at\n"


@dataclass(frozen=True)
class World:
    """What a test of ingestion needs, in a folder of its own."""

    settings: Settings
    lake: Lake
    folder: Path

    @property
    def landing(self) -> Path:
        return Path(self.settings.landing)

    def source(
        self,
        format: str = "csv",
        *,
        expectations: Sequence[Mapping[str, Any]] = (),
        files: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> Source:
        connector = {"type": "files", "path": f"trips/{{start:%Y-%m-%d}}*.{format}*", "format": format}
        values = {
            "name": "trips",
            "description": "Trips by taxi.",
            "schedule": "0 0 * * *",
            "start": "2013-01-01",
            "columns": COLUMNS,
            "key": ["trip"],
            "event_time": "at",
            "known_at": "interval_end",
            **changes,
        }
        connector |= values.pop("connector", {})
        if connector["type"] != "files":
            connector = values["connector"] = changes["connector"]
        source = Source.model_validate({**values, "connector": connector})
        source._contract = Contract.model_validate({"expectations": list(expectations)})
        source._folder = self.folder / "sources" / source.name
        source._folder.mkdir(parents=True, exist_ok=True)
        for name, text in (files or {}).items():
            (source._folder / name).write_text(text, encoding="utf-8")
        return source

    def land(self, content: str | bytes, name: str = "2013-01-31.csv") -> Path:
        path = self.landing / "trips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def ingest(self, source: Source, interval: Interval = DAY, **changes: Any) -> PublishedBatch:
        settings = self.settings.model_copy(update=changes)
        published = ingest(source, interval, lake=self.lake, settings=settings, run=RUN)
        assert published.rows_in == published.accepted + published.quarantined
        return published

    def rows(self, source: Source, *columns: str) -> list[dict[str, Any]]:
        names = list(columns) or source.table_schema.names
        return sorted(self.lake.table(source.table).read(columns=names).to_pylist(), key=str)

    def quarantine(self, source: Source, interval: Interval = DAY) -> list[dict[str, Any]]:
        return show(source.name, interval, lake=self.lake)

    def table(self, source: Source) -> pa.Table:
        return self.lake.table(source.table).read()


@pytest.fixture
def world(tmp_path: Path) -> World:
    settings = Settings(project=tmp_path, home=tmp_path / "home")
    return World(settings, Lake.from_settings(settings), tmp_path)
