"""A process that ingests is killed with SIGKILL, again and again; the rows end as those of an undisturbed run."""

from __future__ import annotations

import multiprocessing
import time

from slipstream.definitions import Source
from slipstream.ingestion import ingest
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.settings import Settings

DAY = Interval.parse("2013-01-31")


def _source() -> Source:
    values = {
        "name": "trips",
        "description": "Trips.",
        "schedule": "0 0 * * *",
        "start": "2013-01-01",
        "connector": {"type": "files", "path": "{start:%Y-%m-%d}.csv", "format": "csv"},
        "columns": {"trip": "int64", "fare": "float64"},
        "key": ["trip"],
        "event_time": "interval_start",
    }
    return Source.model_validate(values)


def _ingest(settings: Settings, number: int) -> None:
    run = Run(dag_id="trips.ingestion", run_id="manual", task_id="load_batch", try_number=number)
    ingest(_source(), DAY, lake=Lake.from_settings(settings), settings=settings, run=run)


def test_ingestion_killed_at_any_instant_is_mended_by_trying_again(tmp_path):
    content = "trip,fare\n" + "".join(f"{n},{'x' if n % 100 == 0 else n}\n" for n in range(60_000))
    digests, seconds = {}, 1.0
    for name in ("undisturbed", "killed"):
        settings = Settings(project=tmp_path, home=tmp_path / name, chunk_rows=2_000)
        lake = Lake.from_settings(settings)
        path = tmp_path / name / "landing" / "2013-01-31.csv"
        path.parent.mkdir(parents=True)
        path.write_text(content)
        kills = 0
        for number in range(8 if name == "killed" else 0):
            process = multiprocessing.get_context("fork").Process(target=_ingest, args=(settings, number))
            process.start()
            process.join(seconds * (number + 1) / 8)
            process.kill()
            process.join()
            kills += process.exitcode == -9
            raw = lake.table("raw/trips")
            assert not raw.exists() or raw.read().num_rows in (0, 59_400)
        begin = time.monotonic()
        _ingest(settings, 99)
        seconds = time.monotonic() - begin
        digests[name] = [lake.table(table).commit_of(DAY).digest for table in ("raw/trips", "quarantine/trips")]
        assert kills > 2 or name == "undisturbed"
    assert digests["killed"] == digests["undisturbed"]
