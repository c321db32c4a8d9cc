"""Ingestion from a bucket into a lake in a bucket, over S3's protocol."""

from __future__ import annotations

import gzip

import pytest

from slipstream.definitions import Source
from slipstream.errors import BatchNotReadyError, BatchRejectedError, ServiceError
from slipstream.ingestion import ingest, look_for_batch
from slipstream.ingestion.quarantine import release, show
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.settings import Settings

DAY = Interval.parse("2013-01-31")
RUN = Run(dag_id="trips.ingestion", run_id="manual", task_id="load_batch")
CONTENT = "trip,fare\n1,7.5\n2,x\n3,9\n"


def trips(**connector):
    values = {
        "name": "trips",
        "description": "Trips.",
        "schedule": "0 0 * * *",
        "start": "2013-01-01",
        "connector": {"type": "files", "path": "in/{start:%Y-%m-%d}/*.csv*", "format": "csv", **connector},
        "columns": {"trip": "int64", "fare": "float64"},
        "key": ["trip"],
        "event_time": "interval_start",
    }
    return Source.model_validate(values)


@pytest.fixture
def settings(s3, tmp_path):
    root = f"s3://{s3.bucket}"
    return Settings(
        project=tmp_path, home=tmp_path, lake=f"{root}/lake", landing=f"{root}/landing", s3_endpoint_url=s3.endpoint_url
    )


@pytest.fixture
def put(s3):
    def put(name: str, content: bytes) -> None:
        s3.client().put_object(Bucket=s3.bucket, Key=f"landing/in/2013-01-31/{name}", Body=content)

    return put


def test_a_batch_in_a_bucket_is_ingested_once_and_its_quarantine_released(s3, settings, put):
    source, lake = trips(), Lake.from_settings(settings)
    assert not look_for_batch(source, DAY, settings=settings).ready
    put("a.csv", CONTENT.encode())
    put("b.csv.gz", gzip.compress(b"trip,fare\n4,1\n"))
    assert look_for_batch(source, DAY, settings=settings).files == ("in/2013-01-31/a.csv", "in/2013-01-31/b.csv.gz")
    first = ingest(source, DAY, lake=lake, settings=settings, run=RUN)
    assert (first.rows_in, first.accepted, first.quarantined) == (4, 3, 1)
    assert not ingest(source, DAY, lake=lake, settings=settings, run=RUN).changed
    [row] = show("trips", DAY, lake=lake)
    assert (row["file"], row["line"]) == ("in/2013-01-31/a.csv", 3)
    assert release(source, DAY, {row["id"]: {"fare": 8}}, lake=lake, run=RUN).accepted == 4
    assert [key for key in s3.list_keys("lake/_staging") if not key.endswith("/")] == []


@pytest.mark.parametrize(
    ("name", "content", "error", "reason"),
    [
        ("a.csv", b"", BatchRejectedError, "is empty"),
        ("a.csv", b"trip;fare\n1;2\n", BatchRejectedError, "a semicolon"),
        ("a.csv.gz", gzip.compress(CONTENT.encode())[:-9], BatchRejectedError, "damaged or cut off"),
        ("a.json", b"{}", BatchNotReadyError, "No file in/2013-01-31"),
    ],
)
def test_bad_objects_stop_at_the_door(s3, settings, put, name, content, error, reason):
    put(name, content)
    lake = Lake.from_settings(settings)
    with pytest.raises(error, match=reason):
        ingest(trips(), DAY, lake=lake, settings=settings, run=RUN)
    assert s3.list_keys("lake/raw") == []


def test_an_object_replaced_while_it_is_read_is_noticed(s3, settings, put, monkeypatch):
    from slipstream.ingestion.connectors.delimited import Delimited

    put("a.csv", CONTENT.encode())
    whole = Delimited.chunks

    def replaced(reader):
        yield from whole(reader)
        put("a.csv", CONTENT.encode() + b"4,1\n")

    monkeypatch.setattr(Delimited, "chunks", replaced)
    with pytest.raises(BatchNotReadyError, match=r"changed while it was read: in/2013-01-31/a.csv"):
        ingest(trips(), DAY, lake=Lake.from_settings(settings), settings=settings, run=RUN)


def test_a_bucket_that_does_not_answer_is_worth_another_try(s3, settings):
    away = settings.model_copy(update={"landing": "s3://no-such-bucket-here/landing"})
    with pytest.raises((ServiceError, BatchNotReadyError)):
        ingest(trips(), DAY, lake=Lake.from_settings(settings), settings=away, run=RUN)
