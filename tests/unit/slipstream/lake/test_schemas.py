from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from slipstream.errors import SchemaError
from slipstream.lake.schemas import merge_schemas, normal_schema, normalise


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.dictionary(pa.int8(), pa.string()), pa.string()),
        (pa.binary(4), pa.binary()),
        (pa.uint8(), pa.int16()),
        (pa.uint64(), pa.int64()),
        (pa.float16(), pa.float32()),
        (pa.date64(), pa.date32()),
        (pa.timestamp("ns", "America/New_York"), pa.timestamp("us", "UTC")),
        (pa.timestamp("s"), pa.timestamp("us")),
        (pa.decimal256(20, 2), pa.decimal128(20, 2)),
        (pa.large_list(pa.large_string()), pa.list_(pa.field("element", pa.string()))),
        (pa.struct({"a": pa.uint16()}), pa.struct({"a": pa.int32()})),
        (pa.map_(pa.large_string(), pa.uint8()), pa.map_(pa.string(), pa.int16())),
        (pa.uuid(), pa.binary()),
        (pa.bool_(), pa.bool_()),
    ],
)
def test_a_type_has_one_normal_form(given: pa.DataType, stored: pa.DataType) -> None:
    assert normal_schema(pa.schema({"v": given})).field("v").type == stored


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.time64("us"), pa.list_(pa.duration("s"))])
def test_a_type_that_delta_does_not_know_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(SchemaError, match="cannot store"):
        normal_schema(pa.schema({"v": kind}))


@pytest.mark.parametrize(
    "values",
    [pa.array([2**64 - 1], pa.uint64()), pa.array([1], pa.timestamp("ns", "UTC"))],
)
def test_a_value_that_would_be_lost_is_refused(values: pa.Array) -> None:
    batch = pa.record_batch({"v": values})
    with pytest.raises(SchemaError, match="'v' holds"):
        normalise(batch, normal_schema(batch.schema))


def test_a_moment_stays_the_same_moment() -> None:
    moment = datetime(2013, 7, 1, 4, tzinfo=UTC)
    batch = pa.record_batch({"v": pa.array([moment], pa.timestamp("ms", "America/New_York"))})
    assert normalise(batch, normal_schema(batch.schema)).to_pylist() == [{"v": moment}]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "A"], "more than case"),
        (["a", "a"], "more than case"),
        (["a b"], "blanks"),
        ([""], "empty"),
        ([], "no col"),
    ],
)
def test_names_that_cannot_be_stored_are_refused(names: list[str], words: str) -> None:
    found = pa.schema([pa.field(name, pa.int64()) for name in names])
    with pytest.raises(SchemaError, match=words):
        merge_schemas("raw/t", None, found)


def test_a_new_column_may_not_differ_from_a_known_one_by_case_alone() -> None:
    with pytest.raises(SchemaError, match="more than case"):
        merge_schemas("raw/t", pa.schema({"Gate": pa.string()}), pa.schema({"gate": pa.string()}))


def test_known_columns_come_first() -> None:
    merged = merge_schemas("raw/t", pa.schema({"b": pa.int64()}), pa.schema({"a": pa.int64(), "b": pa.null()}))
    assert merged == pa.schema({"b": pa.int64(), "a": pa.int64()})
