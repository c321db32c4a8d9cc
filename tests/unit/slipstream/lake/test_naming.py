"""What names a row, whatever type and spelling a table gives the value."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream.lake.naming import KeyRing, Names, digest, read, spell

RING = KeyRing.parse("a key that nobody can guess")


def names(*values: tuple[str, ...], columns: tuple[str, ...] = ("who",), kind: str = "string", **more: Any) -> Names:
    about = {"columns": columns, "types": (kind,) * len(columns), "tables": ["raw/x"], "person": True, **more}
    return Names.of_values(set(values), RING, **about)


def remembered(found: Names) -> Names:
    """Return the same as the record gives it back: without the values."""
    return Names.of_record(json.loads(json.dumps(found.as_record())), RING)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([41, 42, None], pa.int64()),
        pa.array([41, 42, None], pa.int32()),
        pa.array([41.0, 42.0, float("nan")], pa.float64()),
        pa.array(["41", "42", None]),
        pa.array(["41", "42", None]).dictionary_encode(),
    ],
    ids=["int64", "int32", "float64", "string", "dictionary"],
)
def test_one_value_is_found_under_every_type(column: pa.Array) -> None:
    found = names(("42",))

    for each in (found, remembered(found)):
        mask = each.mask("raw/x", pa.table({"who": column}))
        assert mask is not None
        assert mask.tolist() == [False, True, False]


def test_days_and_times_are_found() -> None:
    rows = pa.table({"who": pa.array([date(2001, 2, 3)]), "when": pa.array([datetime(2001, 2, 3, 4, tzinfo=UTC)])})

    assert remembered(names(("2001-02-03",))).mask("raw/x", rows) is not None
    assert remembered(names(("2001-02-03T04:00:00Z",), columns=("when",))).mask("raw/x", rows) is not None


def test_a_key_of_several_columns_is_found_where_all_of_them_are() -> None:
    found = remembered(names(("1", "a"), columns=("shop", "order")))
    rows = pa.table({"shop": [1, 1, 2], "order": ["a", "b", "a"]})

    mask = found.mask("raw/x", rows)

    assert mask is not None
    assert mask.tolist() == [True, False, False]
    assert found.mask("raw/x", rows.select(["shop"])) is None


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"who": "42"}, True),
        ({"who": " 042 "}, True),
        ({"who": 42}, True),
        ({"who": "421"}, False),
        ({"who": None}, False),
        ({"other": "42"}, False),
        ("a line that was cut off,42", True),
        ("a line that was cut off,421", False),
        ([42], True),
    ],
)
def test_quarantined_records_are_read_as_their_columns_say(record: Any, named: bool) -> None:
    rows = pa.table({"raw": [json.dumps(record)], "corrected": pa.array([None], pa.string())})
    for found in (names(("42",), kind="int64"), remembered(names(("42",), kind="int64"))):
        assert (found.mask("quarantine/x", rows) is not None) == named


def test_a_correction_that_names_the_subject_is_enough() -> None:
    rows = pa.table({"raw": ['{"who": "x"}'], "corrected": ['{"who": "42"}']})

    assert names(("42",), kind="int64").mask("quarantine/x", rows) is not None


def test_a_thing_of_the_subject_is_not_looked_for_among_the_words_of_a_broken_line() -> None:
    rows = pa.table({"raw": ['"7 apples"'], "corrected": pa.array([None], pa.string())})

    assert names(("7",), person=False).mask("quarantine/x", rows) is None
    assert names(("7",)).mask("quarantine/x", rows) is not None


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_different_values_have_different_hashes(one: list[str], other: list[str]) -> None:
    columns = ("a", "b")
    same = digest(b"key", columns, tuple(one)) == digest(b"key", columns, tuple(other))

    assert same == (one == other)


@given(st.integers(-(2**53), 2**53))
def test_a_number_is_spelled_alike_as_integer_text_and_float(number: int) -> None:
    assert spell(number) == read(str(number), "int64") == spell(float(number))


def test_the_record_shows_neither_value_nor_key() -> None:
    found = names(("zz-canary",))

    assert "zz-canary" not in json.dumps(found.as_record())
    assert "nobody can guess" not in repr(found)
