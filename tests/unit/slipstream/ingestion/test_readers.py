"""The quick path through Arrow and the slow one through Python give the same rows, whatever the bytes are."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipstream.definitions import Source
from slipstream.ingestion.connectors import delimited, json_lines
from slipstream.ingestion.connectors.lines import Block, LongLine, cut
from slipstream.ingestion.rows import reject_rows, shape
from slipstream.intervals import Interval

DAY = Interval.parse("2013-01-31")
SOURCE = Source.model_validate(
    {
        "name": "things",
        "description": "Things.",
        "schedule": "0 0 * * *",
        "start": "2013-01-01",
        "connector": {"type": "files", "path": "things", "format": "csv"},
        "columns": {"a": "int64", "b": "string", "c": "float64", "d": "bool", "e": "timestamp"},
        "key": ["a"],
        "event_time": "interval_start",
    }
)
NAMES = list(SOURCE.columns)


def read(kind, data: bytes, *, size: int = 1 << 20, limit: int = 60):
    """Return the good rows with their lines, and the rejects, of a file."""
    stream = io.BytesIO(data)
    options = {"delimiter": ","} if kind is delimited.Delimited else {}
    reader = kind(stream, file="f", source=SOURCE, limit=limit, **options)
    reader._items = cut(stream, limit=limit, size=size)
    good, bad = [], []
    for chunk in reader.chunks():
        shaped = shape(chunk.columns, SOURCE, DAY)
        bad += [*chunk.rejects, *reject_rows(chunk, shaped.problems)]
        lines = chunk.lines.take(shaped.good).to_pylist()
        good += zip(lines, shaped.rows.take(shaped.good).to_pylist(), strict=True)
    return good, sorted((r.line, r.rule, r.column, r.value, r.raw, r.reason) for r in bad)


CELL = st.sampled_from(["", "1", "007", "-3", " 4 ", "1.5", "nan", "inf", "x", "true", "0", "2013-01-31", "é", "1e3"])
ROUGH = st.sampled_from(['"', '""', "\r", "\x00", ",", '"a"', '"a\nb"', 'a"b', "\udcff", "long" * 20, '"a,b"', "\n"])
ROW = st.lists(st.one_of(CELL, CELL, CELL, ROUGH), min_size=1, max_size=7).map(",".join)
FULL = st.lists(CELL, min_size=5, max_size=5).map(",".join)
ENDING = st.sampled_from(["\n", "\n", "\r\n"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.one_of(FULL, FULL, ROW), ENDING), max_size=8), st.integers(1, 200))
def test_csv_reads_the_same_by_either_path_and_in_blocks_of_any_size(rows, size):
    data = (",".join(NAMES) + "\n" + "".join(map("".join, rows))).encode("utf-8", "surrogateescape")
    expected = read(delimited.Delimited, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "read_plain", lambda *_: None)
        assert read(delimited.Delimited, data) == expected
        assert read(delimited.Delimited, data, size=size) == expected
    assert read(delimited.Delimited, data, size=size) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.text(max_size=6), min_size=5, max_size=5), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_what_pythons_csv_module_writes_is_read_back_whole(rows, ending):
    rows = [[cell.replace("\0", "").encode("utf-8", "ignore").decode() for cell in row] for row in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerows([NAMES, *rows])
    stream = io.BytesIO(text.getvalue().encode())
    reader = delimited.Delimited(stream, file="f", source=SOURCE, delimiter=",", limit=10_000)
    chunks = list(reader.chunks())
    found = pa.concat_tables([chunk.columns for chunk in chunks]).to_pylist() if chunks else []
    assert [list(row.values()) for row in found] == rows
    assert not [reject for chunk in chunks for reject in chunk.rejects]


VALUE = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=5),
    CELL,
    st.just([1]),
    st.just({"a": 1}),
)
OBJECT = st.dictionaries(st.sampled_from([*NAMES, "other", "é"]), VALUE, max_size=7)
LINE = st.one_of(
    OBJECT.map(json.dumps),
    OBJECT.map(lambda record: json.dumps(record, ensure_ascii=False)),
    st.sampled_from(
        ['{"a": 1}{"a": 2}', "[]", "", " ", "{", '{"a": 1, "a": 2}', '{"a": 1.0}', '{"c": 1e400}', '{"a": 01}']
    ),
    st.sampled_from(['{"b": "\udcff"}', '{"b": "' + "x" * 80 + '"}', '{"a":\r 1}', '{"e": "2013-01-31T06:00:00Z"}']),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(LINE, ENDING), min_size=1, max_size=6), st.integers(1, 200))
@example([('{"c": -Infinity}', "\n")], 10)
@example([('{"a": 1}', "\n"), ('{"c": NaN}', "\n")], 10)
def test_json_lines_reads_the_same_by_either_path_and_in_blocks_of_any_size(rows, size):
    data = "".join(map("".join, rows)).encode("utf-8", "surrogateescape")
    data = data if data.strip() else data + b"\n"
    expected = read(json_lines.JsonLines, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "read_plain", lambda *_: None)
        assert read(json_lines.JsonLines, data) == expected
        assert read(json_lines.JsonLines, data, size=size) == expected
    assert read(json_lines.JsonLines, data, size=size) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30)), st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.integers(1, 50))
def test_cutting_a_stream_keeps_every_line_and_its_number(lines, ending, last, size):
    data = ending.join(lines) + (ending if last else b"")
    pieces = data.split(b"\n")
    wanted = [piece for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    found = []
    for item in cut(io.BytesIO(data), limit=20, size=size):
        assert (item.line if isinstance(item, LongLine) else item.first) == len(found) + 1
        if isinstance(item, LongLine):
            assert len(wanted[len(found)]) > 20
            found.append(wanted[len(found)])
        else:
            assert item.lines == len(item.split())
            assert len(max(item.split(), key=len)) <= 21
            found += [line.removesuffix(b"\n") for line in item.split()]
    assert found == wanted


@settings(max_examples=100, deadline=None)
@given(st.integers(21, 300), st.integers(1, 90), st.sampled_from([b"", b"\n", b"\r\n", b"\nnext\n"]))
def test_a_long_line_is_hashed_alike_however_it_was_cut(length, size, ending):
    import hashlib

    text = bytes(range(97, 122)) * 20
    [item, *_] = cut(io.BytesIO(text[:length] + ending), limit=20, size=size)
    assert isinstance(item, LongLine)
    assert (item.length, item.sha256) == (length, hashlib.sha256(text[:length]).hexdigest())


def test_clean_files_take_the_quick_path():
    block = Block(b"1,x,2.5,true,2013-01-31\n2,,,,\n", 2, 2)
    assert delimited.read_plain(block, NAMES, ",").num_rows == 2
    block = Block(b'{"a":1,"b":"x","c":2,"d":true}\n{"a":2,"unknown":[1]}\n', 1, 2)
    assert json_lines.read_plain(block, SOURCE).num_rows == 2
