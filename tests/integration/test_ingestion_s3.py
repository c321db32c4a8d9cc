"""Ingestion from a bucket into a lake in a bucket, over S3's protocol."""

from __future__ import annotations

import gzip
from types import SimpleNamespace

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


def test_an_object_replaced_within_the_second_by_one_of_its_size_is_noticed(s3, settings, put, monkeypatch):
    from slipstream.ingestion.connectors.delimited import Delimited

    put("a.csv", CONTENT.encode())
    whole = Delimited.chunks

    def replaced(reader):
        put("a.csv", CONTENT.replace("9", "8").encode())
        yield from whole(reader)

    monkeypatch.setattr(Delimited, "chunks", replaced)
    with pytest.raises(BatchNotReadyError, match=r"changed while it was read: in/2013-01-31/a.csv"):
        ingest(trips(), DAY, lake=Lake.from_settings(settings), settings=settings, run=RUN)
    assert s3.list_keys("lake/raw") == []
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    assert ingest(trips(), DAY, lake=Lake.from_settings(settings), settings=settings, run=RUN).accepted == 2


def test_the_same_object_put_again_is_the_same_batch(settings, put):
    put("a.csv", CONTENT.encode())
    lake = Lake.from_settings(settings)
    first = ingest(trips(), DAY, lake=lake, settings=settings, run=RUN)
    put("a.csv", CONTENT.encode())
    again = ingest(trips(), DAY, lake=lake, settings=settings, run=RUN)
    assert (again.digest, again.changed) == (first.digest, False)


def test_a_day_may_be_more_objects_than_a_store_lists_at_once(settings, put, monkeypatch):
    monkeypatch.setattr("slipstream.lake.storage.PAGE", 7)
    for number in range(30):
        put(f"{number:04d}.csv", f"trip,fare\n{number},1\n".encode())
    assert len(look_for_batch(trips(), DAY, settings=settings).files) == 30
    assert ingest(trips(), DAY, lake=Lake.from_settings(settings), settings=settings, run=RUN).accepted == 30


def test_an_object_of_many_parts_is_one_file(s3, settings):
    source, note = trips(), "x" * 5_000
    lines = ["trip,fare,note\n", *(f"{number},1,{note}\n" for number in range(1_200))]
    content = "".join(lines).encode()
    client, where = s3.client(), {"Bucket": s3.bucket, "Key": "landing/in/2013-01-31/a.csv"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(content), 5 * 2**20), start=1):
        body = content[start : start + 5 * 2**20]
        part = client.upload_part(**where, UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
        assert not look_for_batch(source, DAY, settings=settings).ready, "an upload that goes on is no object yet"
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    assert len(parts) > 1
    assert ingest(source, DAY, lake=Lake.from_settings(settings), settings=settings, run=RUN).accepted == 1_200


def test_a_sensor_that_waits_for_objects_holds_no_worker(settings, put, monkeypatch):
    import asyncio

    from slipstream_airflow import generation
    from slipstream_airflow.triggers.batch import BatchTrigger

    monkeypatch.setattr(generation, "sound_definitions", lambda: SimpleNamespace(source=lambda name: trips()))
    monkeypatch.setattr("slipstream.settings.get_settings", lambda: settings)
    trigger = BatchTrigger(source="trips", interval_start="2013-01-31", poll_interval=0.05)

    async def arrive() -> str:
        waiting = asyncio.ensure_future(anext(trigger.run()))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done, "nothing has arrived yet"
        put("a.csv", CONTENT.encode())
        return (await asyncio.wait_for(waiting, timeout=30)).payload["status"]

    assert asyncio.run(arrive()) == "ready"


def test_a_bucket_that_does_not_answer_is_worth_another_try(s3, settings):
    away = settings.model_copy(update={"landing": "s3://no-such-bucket-here/landing"})
    with pytest.raises((ServiceError, BatchNotReadyError)):
        ingest(trips(), DAY, lake=Lake.from_settings(settings), settings=away, run=RUN)
