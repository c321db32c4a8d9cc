"""A subject erased from a lake on a server that speaks S3's protocol."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipstream.definitions import load_definitions
from slipstream.erasure import erase, prepare
from slipstream.errors import SettingsError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
from slipstream.settings import Settings

CANARY, DAY = "zz-canary", Interval.parse("2013-01-01")
WHO = Run.local("tester")
SOURCE = """
name: orders
description: Orders.
schedule: "0 0 * * *"
start: 2013-01-01
connector: {type: files, path: "orders/{start:%Y-%m-%d}.csv", format: csv}
columns: {order_id: int64, customer: string}
key: [order_id]
event_time: interval_start
subject_key: customer
"""


def rows(*people: str) -> pa.Table:
    numbers = pa.array(range(len(people)), pa.int64())
    when = pa.array([DAY.start] * len(people), pa.timestamp("us", tz="UTC"))
    return pa.table({"order_id": numbers, "customer": list(people), "event_time": when, "known_at": when})


def test_no_object_of_the_bucket_has_the_subject_afterwards(s3, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_S3_ENDPOINT_URL", s3.endpoint_url)
    (tmp_path / "include" / "sources" / "orders").mkdir(parents=True)
    (tmp_path / "include" / "sources" / "orders" / "source.yaml").write_text(SOURCE)
    definitions = load_definitions(tmp_path / "include")
    settings = Settings(project=tmp_path, home=tmp_path / "home", lake=s3.root, erasure_key="a key nobody can guess")
    lake = Lake.from_settings(settings)
    table, made = lake.table("raw/orders"), Provenance(WHO)
    for number in range(22):  # past a checkpoint
        day = Interval(DAY.start + timedelta(days=number), DAY.end + timedelta(days=number))
        table.write(day, rows("ann", CANARY), provenance=made)
    table.write(DAY, rows("ann"), provenance=made)
    source = {"definitions": definitions, "lake": lake, "settings": settings}

    with pytest.raises(SettingsError, match="SLIPSTREAM_ERASURE_KEY is not set"):
        prepare(
            "customer",
            CANARY,
            **{**source, "settings": settings.model_copy(update={"erasure_key": Settings().erasure_key})},
        )
    found = erase(prepare("customer", CANARY, **source), reason="", run=WHO, **source)

    assert found.plan["tables"]["raw/orders"] == {"rows": 21, "intervals": 21, "versions": 23, "files": 22}
    assert holding(s3) == []
    assert all(check.ok for check in table.verify())
    assert table.read(version=21).num_rows == 22
    table.write(DAY, rows("ann", CANARY), provenance=made)
    assert holding(s3) == []


def holding(s3) -> list[str]:
    """Return every object whose bytes, or rows, have the canary."""
    found = []
    for key in s3.list_keys():
        content = s3.client().get_object(Bucket=s3.bucket, Key=key)["Body"].read()
        text = str(pq.read_table(pa.BufferReader(content)).to_pylist()) if content[:4] == b"PAR1" else ""
        if CANARY.encode() in content or CANARY in text:
            found.append(key)
    return found
