from __future__ import annotations

import decimal
import subprocess
import sys
from datetime import UTC, datetime

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from slipstream.errors import SchemaError
from slipstream.lake import digest_rows

SCHEMA = pa.schema(
    {
        "number": pa.int64(),
        "share": pa.float64(),
        "text": pa.string(),
        "raw": pa.binary(),
        "yes": pa.bool_(),
        "at": pa.timestamp("us", "UTC"),
        "price": pa.decimal128(12, 2),
        "tags": pa.list_(pa.string()),
        "place": pa.struct({"x": pa.int32(), "name": pa.string()}),
    }
)
TEXTS = st.text("aAzä€😀 0\0\n", max_size=20)  # a small alphabet, for the whole of Unicode is slow to draw from
quickly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
VALUES = {
    "number": st.integers(-(2**63), 2**63 - 1),
    "share": st.floats(),
    "text": TEXTS,
    "raw": st.binary(max_size=20),
    "yes": st.booleans(),
    "at": st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)),
    "price": st.decimals(-(10**9), 10**9, places=2),
    "tags": st.lists(st.none() | st.sampled_from(["", "a", "ä"]), max_size=3),
    "place": st.fixed_dictionaries({"x": st.integers(0, 9), "name": st.none() | st.sampled_from(["", "a", "ä"])}),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=8)


def as_table(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@quickly
@given(rows=ROWS, data=st.data())
def test_order_chunks_and_column_order_do_not_matter(rows: list[dict], data: st.DataObject) -> None:
    table = as_table(rows)
    shuffled = as_table(data.draw(st.permutations(rows)))
    cut = data.draw(st.integers(0, len(rows)))
    chunked = pa.concat_tables([shuffled.slice(cut), shuffled.slice(0, cut)])
    columns = data.draw(st.permutations(SCHEMA.names))
    assert digest_rows(chunked.select(columns)) == digest_rows(table)
    assert digest_rows(iter(chunked.select(columns).to_batches() or [])).rows in (len(rows), 0)


@quickly
@given(rows=ROWS.filter(bool), data=st.data())
def test_any_changed_value_changes_the_digest(rows: list[dict], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(SCHEMA.names))
    before = as_table(rows)
    changed = [dict(each) for each in rows]
    changed[row][name] = data.draw(st.none() | VALUES[name])
    after = as_table(changed)
    same = str(before.slice(row, 1).to_pylist()) == str(after.slice(row, 1).to_pylist())
    assert (digest_rows(after) == digest_rows(before)) is same


@quickly
@given(rows=ROWS.filter(bool), times=st.integers(2, 4))
def test_a_repeated_row_counts_as_often_as_it_occurs(rows: list[dict], times: int) -> None:
    once, more = digest_rows(as_table(rows)), digest_rows(as_table(rows * times))
    assert more.hex != once.hex
    assert more.rows == len(rows) * times


@quickly
@given(texts=st.lists(st.none() | TEXTS, max_size=10))
def test_the_kind_of_string_does_not_matter(texts: list[str | None]) -> None:
    plain = pa.array(texts, pa.string())
    kinds = [plain, plain.cast(pa.large_string()), plain.cast(pa.string_view()), plain.dictionary_encode()]
    assert len({digest_rows(pa.table({"text": values})) for values in kinds}) == 1


def test_null_nan_empty_and_zero_are_different_values() -> None:
    texts = [digest_rows(pa.table({"v": pa.array([v], pa.string())})).hex for v in (None, "", " ", "\0", "\0\0")]
    numbers = [digest_rows(pa.table({"v": pa.array([v], pa.float64())})).hex for v in (None, float("nan"), 0.0, 1.0)]
    lists = [digest_rows(pa.table({"v": pa.array([v], pa.list_(pa.string()))})).hex for v in (None, [], [None], [""])]
    assert len({*texts, *numbers, *lists}) == 13


def test_every_nan_is_the_same_nan() -> None:
    strange = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(np.float64)
    digests = {digest_rows(pa.table({"v": [value]})).hex for value in (*strange, float("nan"))}
    assert len(digests) == 1


def test_a_value_in_another_column_or_under_another_name_or_type_is_another_row() -> None:
    tables = [
        pa.table({"a": [1], "b": [2]}),
        pa.table({"a": [2], "b": [1]}),
        pa.table({"a": [1], "c": [2]}),
        pa.table({"a": [1], "b": pa.array([2], pa.int32())}),
        pa.table({"a": [1], "b": ["2"]}),
        pa.table({"a": [1]}),
        pa.table({"a": [1], "b": [2]}).slice(1),
    ]
    assert len({digest_rows(table).hex for table in tables}) == len(tables)


def test_items_of_a_list_keep_their_order_and_their_row() -> None:
    values = [[["a", "b"], ["c"]], [["b", "a"], ["c"]], [["a"], ["b", "c"]], [["a", "b", "c"], []]]
    assert len({digest_rows(pa.table({"v": pair})).hex for pair in values}) == 4


def test_values_under_a_null_and_before_a_slice_do_not_matter() -> None:
    hidden = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.array([7, 99]).buffers()[1]])
    long = pa.table({"v": ["zzz", "a", "bb", None, "ccc"], "w": [[1], [2, 3], None, [], [4]]})
    rebuilt = pa.table({"v": ["a", "bb", None], "w": [[2, 3], None, []]})
    assert digest_rows(pa.table({"v": hidden})) == digest_rows(pa.table({"v": [7, None]}))
    assert digest_rows(long.slice(1, 3)) == digest_rows(rebuilt)


def test_long_texts_count_to_their_last_byte() -> None:
    ends = ["a", "b", "aa"]
    tables = [pa.table({"v": ["x" * 100_000 + end, "short"]}) for end in ends]
    assert len({digest_rows(table).hex for table in tables}) == 3
    assert digest_rows(tables[0].take([1, 0])) == digest_rows(tables[0])


def test_decimals_of_any_sign_count_in_full() -> None:
    values = [decimal.Decimal(text) for text in ("1.00", "-1.00", "184467440737095516.17", "1.01")]
    tables = [pa.table({"v": pa.array([value], pa.decimal128(38, 2))}) for value in values]
    assert len({digest_rows(table).hex for table in tables}) == 4


def test_maps_are_hashed_by_their_entries() -> None:
    kind = pa.map_(pa.string(), pa.int64())
    values = ([("a", 1), ("b", 2)], [("a", 1), ("b", 3)], [], None)
    assert len({digest_rows(pa.table({"v": pa.array([value, [("z", 0)]], kind)})).hex for value in values}) == 4


def test_ignored_columns_do_not_count() -> None:
    bare = pa.table({"v": [1, 2]})
    assert digest_rows(bare.append_column("interval_start", pa.array([5, 6]))) == digest_rows(bare)
    assert digest_rows(bare.append_column("other", pa.array([5, 6])), ignore={"other"}) == digest_rows(bare)


def test_batches_without_a_schema_may_be_none_at_all() -> None:
    assert digest_rows([]).rows == 0


def test_a_type_that_the_lake_cannot_store_has_no_digest() -> None:
    with pytest.raises(SchemaError, match="duration"):
        digest_rows(pa.table({"v": pa.array([1], pa.duration("s"))}))


def test_another_process_finds_the_same_digest() -> None:
    code = (
        "import pyarrow as pa; from slipstream.lake import digest_rows;"
        "print(digest_rows(pa.table({'text': ['a', None, 'ä'], 'number': [1, 2, 3], 'share': [0.5, None, -0.0]})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "ba80a2accd2450ed446ff0f6c6cd54a471dfa1217c36273412024b11b1921f05"


def test_a_hundred_thousand_rows_differ_in_one_bit() -> None:
    numbers = np.arange(100_000)
    other = numbers.copy()
    other[77_777] ^= 1
    first = digest_rows(pa.table({"v": numbers}))
    assert digest_rows(pa.table({"v": numbers[::-1].copy()})) == first
    assert digest_rows(pa.table({"v": other})) != first
