"""The DAG of docs/how-to/add-a-source.md: the Amazon provider's key sensor waits in the triggerer for a marked day."""

from __future__ import annotations

import re
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import boto3
from native import Native, wait
from replay import Replay

from slipstream.example import publish
from slipstream.ingestion import ingest
from slipstream.intervals import Interval
from slipstream.lake import Run
from slipstream.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "add-a-source.md"
DAY = Interval.parse("2013-01-14")


def test_a_marked_day_is_ingested_and_its_sensor_holds_no_worker(
    replay: Replay, native: Native, settings: Settings
) -> None:
    assert find_spec("aiobotocore"), "aiobotocore is not installed; it is in requirements.lock, so run .ci/install"
    [text] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.S | re.M)
    (native.dags / "weather_arrival.py").write_text(text, encoding="utf-8")
    api, dag = replay.api, "weather.arrival"
    wait(lambda: dag in api.dags() or bool(api.import_errors()), 300, "Airflow's reading of the new DAG")
    assert api.import_errors() == []
    api.unpause([dag])

    work = replay.backfill({dag: [DAY]})
    wait(lambda: work.states("wait_for_marker") == {"deferred"}, 300, "the sensor's going to the triggerer")
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    where = "landing/weather/2013-01-14"
    publish(date(2013, 1, 14), date(2013, 1, 14), settings=settings, sources=["weather"])
    client.put_object(Bucket="slipstream-landing", Key=f"{where}.0001.done", Body=b"")
    work.await_end()

    name = "arrived__2013-01-14"
    wait(lambda: api.state("weather.ingestion", name) in ("success", "failed"), 300, "the ingestion that it started")
    assert api.state("weather.ingestion", name) == "success"
    quiet = replay.alone
    publish(date(2013, 1, 14), date(2013, 1, 14), settings=quiet, sources=["weather"])
    source = replay.definitions.source("weather")
    ingest(source, DAY, lake=replay.reference, settings=quiet, run=Run.local())
    found, wanted = (lake.table("raw/weather").commit_of(DAY) for lake in (replay.lake, replay.reference))
    assert found is not None
    assert wanted is not None
    assert (found.digest, found.rows) == (wanted.digest, wanted.rows)
    assert found.rows > 0
