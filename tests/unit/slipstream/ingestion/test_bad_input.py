"""Every bad input of the design gives a clear error or a quarantined row, and loses nothing."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipstream.errors import BatchNotReadyError, BatchRejectedError
from slipstream.ingestion import load_batch
from slipstream.intervals import utc

from .conftest import COLUMNS, DAY, HEADER, RUN, World

GOOD = "1,Paris,7.5,2013-01-31T06:00:00Z\n"


def nothing_was_kept(world: World) -> bool:
    staging = Path(world.settings.staging)
    return world.lake.tables() == [] and not [path for path in staging.rglob("*") if path.is_file()]


def test_an_empty_file_rejects_the_batch(world):
    world.land("")
    with pytest.raises(BatchRejectedError, match=r"2013-01-31.csv is empty"):
        world.ingest(world.source())
    assert nothing_was_kept(world)


def test_a_missing_file_is_a_batch_that_is_not_ready(world):
    with pytest.raises(BatchNotReadyError, match=r"No file trips/2013-01-31\*.csv\* is under"):
        world.ingest(world.source())
    assert nothing_was_kept(world)


def test_a_header_alone_is_a_batch_of_no_rows(world):
    source = world.source()
    world.land(HEADER)
    published = world.ingest(source)
    assert (published.rows_in, published.accepted, published.changed) == (0, 0, True)
    assert world.lake.table(source.table).complete(DAY)


def test_a_wrong_delimiter_is_named(world):
    world.land((HEADER + GOOD).replace(",", ";"))
    with pytest.raises(BatchRejectedError, match="delimited by a semicolon; the source declares ','"):
        world.ingest(world.source())
    assert nothing_was_kept(world)


def test_a_missing_column_rejects_the_batch_and_is_named(world):
    world.land("trip,city,at\n1,Paris,2013-01-31T06:00:00Z\n")
    with pytest.raises(BatchRejectedError, match="missing: fare; not expected: none"):
        world.ingest(world.source())


def test_a_renamed_column_rejects_the_batch_with_a_guess(world):
    world.land("trip,city,fares,at\n1,Paris,7.5,2013-01-31T06:00:00Z\n")
    with pytest.raises(BatchRejectedError, match=r"looks renamed: fare \(perhaps now fares\)"):
        world.ingest(world.source())


def test_an_extra_column_is_ignored_told_in_the_provenance_and_kept_in_the_quarantine(world):
    source = world.source()
    world.land("trip,city,fare,at,colour\n1,Paris,7.5,2013-01-31T06:00:00Z,red\nx,Rome,1,2013-01-31T06:00:00Z,blue\n")
    assert world.ingest(source).accepted == 1
    assert world.lake.table(source.table).commit_of(DAY).provenance["extra"]["ignored_columns"] == ["colour"]
    assert json.loads(world.quarantine(source)[0]["raw"])["colour"] == "blue"


def test_a_column_that_stands_twice_rejects_the_batch(world):
    world.land("trip,city,fare,at,city\n")
    with pytest.raises(BatchRejectedError, match="the columns city stand there more than once"):
        world.ingest(world.source())


def test_rows_that_are_the_same_throughout_count_once(world):
    source = world.source()
    world.land(HEADER + GOOD + GOOD + "2,Rome,1,2013-01-31T07:00:00Z\n" + GOOD)
    assert world.ingest(source).accepted == 2
    assert [(row["line"], row["rule"]) for row in world.quarantine(source)] == [(3, "duplicate"), (5, "duplicate")]
    assert "duplicate of line 2 of trips/2013-01-31.csv" in world.quarantine(source)[0]["reason"]
    assert world.quarantine(source)[0]["id"] != world.quarantine(source)[1]["id"]


def test_rows_of_one_key_that_differ_are_all_set_aside(world):
    source = world.source()
    world.land(HEADER + GOOD + "2,Rome,1,2013-01-31T07:00:00Z\n" + GOOD.replace("7.5", "8.5"))
    assert world.ingest(source).accepted == 1
    assert [row["line"] for row in world.quarantine(source)] == [2, 4]
    assert "line 2 of trips/2013-01-31.csv; line 4" in world.quarantine(source)[0]["reason"]


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_a_truncated_gzip_rejects_the_batch(world, kept):
    content = gzip.compress(
        (HEADER + "".join(f"{n},P{n * 7919},7.5,2013-01-31T06:00:00Z\n" for n in range(5000))).encode()
    )
    world.land(content[: int(len(content) * kept)], "2013-01-31.csv.gz")
    with pytest.raises(BatchRejectedError, match=r"2013-01-31.csv.gz is damaged or cut off"):
        world.ingest(world.source())
    assert nothing_was_kept(world)


def test_a_gz_that_is_not_gzipped_rejects_the_batch(world):
    world.land(HEADER + GOOD, "2013-01-31.csv.gz")
    with pytest.raises(BatchRejectedError, match=r"called .gz but is not gzipped"):
        world.ingest(world.source())


def test_a_gzip_with_rubbish_in_the_middle_rejects_the_batch(world):
    content = bytearray(gzip.compress((HEADER + GOOD * 3000).encode()))
    content[len(content) // 2] ^= 0xFF
    world.land(bytes(content), "2013-01-31.csv.gz")
    with pytest.raises(BatchRejectedError, match="damaged or cut off"):
        world.ingest(world.source())


def test_bytes_that_are_not_utf8_set_their_row_aside_with_the_bytes_escaped(world):
    source = world.source()
    world.land(HEADER.encode() + GOOD.encode() + b"2,Z\xfcrich,9,2013-01-31T07:00:00Z\n3,Bern,9,2013-01-31T07:00:00Z\n")
    assert world.ingest(source).accepted == 2
    [row] = world.quarantine(source)
    assert (row["line"], row["rule"]) == (3, "encoding")
    assert json.loads(row["raw"]) == r"2,Z\xfcrich,9,2013-01-31T07:00:00Z"


def test_a_file_in_utf16_rejects_the_batch(world):
    world.land((HEADER + GOOD).encode("utf-16"))
    with pytest.raises(BatchRejectedError, match="encoded in UTF-16; wanted UTF-8"):
        world.ingest(world.source())


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("ending", ["\n", ""])
def test_a_line_of_ten_megabytes_is_set_aside_by_its_length_and_hash(world, format, ending):
    source = world.source(format)
    long = '{"trip": 2, "city": "' + "x" * 10_000_000 + '"}' if format == "jsonl" else "2," + "x" * 10_000_000
    first = HEADER + GOOD if format == "csv" else '\n{"trip": 1, "at": "2013-01-31T06:00:00Z"}\n'
    last = "" if not ending else GOOD.replace("1,", "3,", 1) if format == "csv" else '{"trip": 3, "at": "2013-01-31"}\n'
    world.land(first + long + ending + last, f"2013-01-31.{format}")
    assert world.ingest(source).accepted == (2 if ending else 1)
    [row] = world.quarantine(source)
    assert (row["line"], row["rule"]) == (3, "long_line")
    raw = json.loads(row["raw"])
    assert raw["length"] == len(long)
    assert len(raw["sha256"]) == 64
    assert len(row["raw"]) < 2_000


@pytest.mark.parametrize("quoted", [False, True])
def test_windows_line_ends_change_nothing(world, quoted):
    source = world.source()
    content = HEADER + GOOD.replace("Paris", '"Paris"' if quoted else "Paris")
    plain = world.land(content)
    digest = world.ingest(source).digest
    plain.write_bytes(content.replace("\n", "\r\n").encode())
    assert world.ingest(source).digest == digest


def test_a_byte_order_mark_changes_nothing(world):
    source = world.source()
    world.land(b"\xef\xbb\xbf" + (HEADER + GOOD).encode())
    assert world.ingest(source).accepted == 1


def test_line_breaks_in_quotes_are_part_of_the_value_and_count_as_lines(world):
    source = world.source()
    world.land(HEADER + '1,"Aix\nen, ""Provence""",7.5,2013-01-31T06:00:00Z\nx,Rome,1,2013-01-31T06:00:00Z\n')
    assert world.ingest(source).accepted == 1
    assert world.rows(source, "city") == [{"city": 'Aix\nen, "Provence"'}]
    assert [row["line"] for row in world.quarantine(source)] == [4]


def test_a_stray_quote_does_not_swallow_the_rest_of_the_file(world):
    source = world.source()
    rows = "".join(f"{number},Rome,1,2013-01-31T06:00:00Z\n" for number in range(2, 50))
    world.land(HEADER + '1,"Paris,7.5,2013-01-31T06:00:00Z\n' + rows)
    published = world.ingest(source)
    assert (published.rows_in, published.accepted) == (49, 48)
    assert [(row["line"], row["rule"]) for row in world.quarantine(source)] == [(2, "csv")]


def test_a_row_with_too_few_or_too_many_fields_is_set_aside_as_it_stood(world):
    source = world.source()
    world.land(HEADER + "1,Paris,7.5\n" + GOOD + "2,Ro,me,1,2013-01-31T06:00:00Z\n")
    assert world.ingest(source).accepted == 1
    rows = world.quarantine(source)
    assert [row["reason"] for row in rows] == ["Wanted 4 fields, found 3.", "Wanted 4 fields, found 5."]
    assert json.loads(rows[1]["raw"]) == "2,Ro,me,1,2013-01-31T06:00:00Z"


def test_nan_and_infinity_in_keys_set_their_rows_aside(world):
    source = world.source(columns={**COLUMNS, "trip": "float64"}, key=["trip"])
    lines = [GOOD, *(GOOD.replace("1", value, 1) for value in ("NaN", "inf", "-Infinity", "", "1e999"))]
    world.land(HEADER + "".join(lines))
    assert world.ingest(source).accepted == 1
    assert {row["line"]: row["rule"] for row in world.quarantine(source)} == {
        3: "key",
        4: "type",
        5: "type",
        6: "key",
        7: "type",
    }


def test_nan_elsewhere_is_no_value_and_infinity_is_set_aside(world):
    source = world.source("jsonl")
    lines = [
        f'{{"trip": {n}, "fare": {fare}, "at": "2013-01-31"}}' for n, fare in enumerate(("NaN", "7.5", "-Infinity"))
    ]
    world.land("\n".join(lines), "2013-01-31.jsonl")
    world.ingest(source)
    assert world.rows(source, "trip", "fare") == [{"trip": 0, "fare": None}, {"trip": 1, "fare": 7.5}]
    assert world.quarantine(source)[0]["value"] == "-Infinity"


def test_rows_that_became_known_outside_of_the_interval_are_set_aside(world):
    source = world.source(known_at="at")
    times = [
        "2013-01-30T23:59:59.999999Z",
        "2013-01-31T00:00:00Z",
        "2013-01-31T23:59:59.999999Z",
        "2013-02-01T00:00:00Z",
    ]
    world.land(HEADER + "".join(f"{n},Rome,1,{time}\n" for n, time in enumerate(times)))
    assert world.ingest(source).accepted == 2
    assert [(row["line"], row["rule"], row["value"]) for row in world.quarantine(source)] == [
        (2, "interval", times[0]),
        (5, "interval", times[3]),
    ]


def test_local_times_are_read_in_the_columns_zone_and_unclear_ones_set_aside(world):
    columns = {**COLUMNS, "at": {"type": "timestamp", "timezone": "America/New_York"}}
    source = world.source(columns=columns)
    times = [
        "2013-01-31 06:00",
        "2013-01-31T06:00:00+01:00",
        "2013-03-10 02:30",
        "2013-11-03 01:30",
        "2013-11-03 02:00",
    ]
    world.land(HEADER + "".join(f"{n},Rome,1,{time}\n" for n, time in enumerate(times)))
    world.ingest(source)
    assert [row["event_time"] for row in world.rows(source, "trip", "event_time")] == [
        utc("2013-01-31T11:00"),
        utc("2013-01-31T05:00"),
        utc("2013-11-03T07:00"),
    ]
    reasons = [row["reason"] for row in world.quarantine(source)]
    assert "does not exist, as the clock goes forward" in reasons[0]
    assert "occurs twice, as the clock goes back" in reasons[1]


def test_numbers_in_other_spellings_are_read_exactly_or_set_aside(world):
    source = world.source()
    good = ["9007199254740993", " 7 ", "8.0", "1.5e3", "+12", "-0"]
    bad = ["1,234", "0x1F", "１", "1_000", "9223372036854775808", "7.5", "1e-3", "٣"]
    world.land(HEADER + "".join(f'"{number}",Rome,1,2013-01-31\n' for number in good + bad))
    world.ingest(source)
    assert sorted(row["trip"] for row in world.rows(source)) == [0, 7, 8, 12, 1500, 9007199254740993]
    assert [row["value"] for row in world.quarantine(source)] == bad


def test_a_parquet_file_of_another_schema_rejects_the_batch(world):
    world.land("", "2013-01-31.parquet")
    path = world.landing / "trips" / "2013-01-31.parquet"
    pq.write_table(pa.table({"trip": ["1"], "city": ["Rome"], "fare": [1.0], "at": [1]}), path)
    with pytest.raises(BatchRejectedError, match="trip: wanted int64, found string; at: wanted timestamp, found int64"):
        world.ingest(world.source("parquet"))
    assert nothing_was_kept(world)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_parquet_file_that_was_cut_off_rejects_the_batch(world, kept):
    rows = pa.table({"trip": [1], "city": ["Rome"], "fare": [1.0], "at": pa.array([0], pa.timestamp("us", "UTC"))})
    path = world.land("", "2013-01-31.parquet")
    pq.write_table(rows, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(BatchRejectedError, match=r"2013-01-31.parquet"):
        world.ingest(world.source("parquet"))


def test_a_file_that_grows_while_it_is_read_is_not_ready_and_nothing_is_kept(world, monkeypatch):
    from slipstream.ingestion.connectors.delimited import Delimited

    path = world.land(HEADER + GOOD)
    whole = Delimited.chunks

    def growing(reader):
        yield from whole(reader)
        with path.open("a") as file:
            file.write("2,Rome,1,2013-01-31\n")

    monkeypatch.setattr(Delimited, "chunks", growing)
    with pytest.raises(BatchNotReadyError, match=r"changed while it was read: trips/2013-01-31.csv"):
        world.ingest(world.source())
    assert nothing_was_kept(world)
    monkeypatch.undo()
    assert world.ingest(world.source()).accepted == 2


def test_half_a_file_that_grows_is_not_ready_and_not_refused(world, monkeypatch):
    from slipstream.ingestion.connectors.files import FilesBatch

    whole = gzip.compress((HEADER + GOOD).encode())
    path = world.land(whole[:-9], "2013-01-31.csv.gz")
    read = FilesBatch.chunks

    def arriving(batch):
        try:
            yield from read(batch)
        finally:
            path.write_bytes(whole)

    monkeypatch.setattr(FilesBatch, "chunks", arriving)
    source = world.source()
    with pytest.raises(BatchNotReadyError, match="changed while it was read"):
        world.ingest(source)
    monkeypatch.undo()
    assert world.ingest(source).accepted == 1


def test_a_file_that_comes_while_the_others_are_read_is_noticed(world, monkeypatch):
    from slipstream.ingestion.connectors.delimited import Delimited

    world.land(HEADER + GOOD)
    whole = Delimited.chunks

    def joined(reader):
        yield from whole(reader)
        world.land(HEADER, "2013-01-31-part-2.csv")

    monkeypatch.setattr(Delimited, "chunks", joined)
    with pytest.raises(BatchNotReadyError, match=r"2013-01-31-part-2.csv"):
        world.ingest(world.source())


def test_a_file_must_rest_for_as_long_as_its_connector_says(world):
    source = world.source(connector={"settle": "1h"})
    path = world.land(HEADER + GOOD)
    with pytest.raises(BatchNotReadyError, match="Changed less than 3600 s ago"):
        world.ingest(source)
    hours_ago = path.stat().st_mtime - 7200
    os.utime(path, (hours_ago, hours_ago))
    assert world.ingest(source).accepted == 1


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"trip": 2', "json"),
        ("[1, 2]", "json"),
        ("null", "json"),
        ('{"trip": 2} {"trip": 3}', "json"),
        ('{"trip": 2, "trip": 3, "at": "2013-01-31"}', "json"),
        ('{"trip": 2, "city": "\\ud800", "at": "2013-01-31"}', "json"),
        ('{"trip": {"a": 1}, "at": "2013-01-31"}', "type"),
        ('{"trip": 2, "fare": [], "at": "2013-01-31"}', "type"),
        ('{"city": "Rome", "at": "2013-01-31"}', "key"),
        ('{"trip": true, "at": "2013-01-31"}', "type"),
        ("rubbish", "json"),
    ],
)
def test_a_line_that_is_no_good_object_is_set_aside(world, line, rule):
    source = world.source("jsonl")
    world.land(f'{{"trip": 1, "at": "2013-01-31"}}\n{line}\n\n{{"trip": 9, "at": "2013-01-31"}}\n', "2013-01-31.jsonl")
    published = world.ingest(source)
    assert (published.rows_in, published.accepted) == (3, 2)
    [row] = world.quarantine(source)
    assert (row["line"], row["rule"]) == (2, rule)
    assert json.loads(row["raw"]) is not None


def test_a_key_that_was_renamed_in_json_lines_rejects_the_batch(world):
    world.land('{"trip": 1, "fares": 7, "at": "2013-01-31"}\n', "2013-01-31.jsonl")
    with pytest.raises(BatchRejectedError, match=r"no object has the key fare \(perhaps now fares\)"):
        world.ingest(world.source("jsonl"))


def test_a_key_that_is_null_throughout_is_not_taken_for_a_renamed_one(world):
    world.land('{"trip": 1, "fares": 7, "fare": null, "at": "2013-01-31"}\n', "2013-01-31.jsonl")
    assert world.ingest(world.source("jsonl")).accepted == 1


def test_a_row_with_several_faults_is_set_aside_once_with_all_of_them(world):
    source = world.source()
    world.land(HEADER + "x,Rome,y,never\n")
    assert world.ingest(source).quarantined == 1
    [row] = world.quarantine(source)
    assert row["column"] == "trip"
    assert all(f"found '{value}'" in row["reason"] for value in ("x", "y", "never"))


def test_a_batch_that_fails_in_the_middle_leaves_no_staged_file(world):
    world.land(HEADER + GOOD, "2013-01-31-a.csv")
    world.land("trip\n1\n", "2013-01-31-b.csv")
    with pytest.raises(BatchRejectedError, match=r"2013-01-31-b.csv"):
        load_batch(world.source(), DAY, lake=world.lake, settings=world.settings, run=RUN)
    assert nothing_was_kept(world)
