"""Great Expectations' verdicts become quarantined rows, or stop the batch."""

from __future__ import annotations

import threading

import pytest

from slipstream.errors import BatchRejectedError, DefinitionError
from slipstream.ingestion import contract_problems

from .conftest import COLUMNS, HEADER


def expect(name, on_failure="quarantine", reason="", **kwargs):
    return {"type": f"expect_{name}", "kwargs": kwargs, "on_failure": on_failure, "reason": reason}


def rows(*fares):
    return HEADER + "".join(f"{n},Rome,{fare},2013-01-31T06:00:00Z\n" for n, fare in enumerate(fares, start=1))


BETWEEN = expect("column_values_to_be_between", column="fare", min_value=1, max_value=100, reason="Fares are 1 to 100.")


@pytest.mark.parametrize("chunk_rows", [2, 100])
def test_rows_that_break_a_row_expectation_are_set_aside_with_its_reason(world, chunk_rows):
    source = world.source(expectations=[BETWEEN])
    world.land(rows(5, 0.5, "", 101, 7))
    published = world.ingest(source, chunk_rows=chunk_rows)
    assert (published.rows_in, published.accepted, published.quarantined) == (5, 3, 2)
    found = [(row["line"], row["rule"], row["column"], row["value"], row["reason"]) for row in world.quarantine(source)]
    rule = "expect_column_values_to_be_between"
    assert found == [(3, rule, "fare", "0.5", "Fares are 1 to 100."), (5, rule, "fare", "101", "Fares are 1 to 100.")]


def test_the_size_of_chunks_changes_no_digest(world):
    source = world.source(expectations=[BETWEEN, expect("column_values_to_be_unique", column="fare")])
    world.land(rows(5, 0.5, "", 101, 7, 5, 8, "x"))
    first = world.ingest(source)
    again = world.ingest(source, chunk_rows=1)
    assert (again.changed, again.digest) == (False, first.digest)
    assert again.quarantine_digest == first.quarantine_digest


def test_an_expectation_that_looks_at_other_rows_sees_the_whole_batch(world):
    source = world.source(expectations=[expect("column_values_to_be_unique", column="fare")])
    world.land(rows(5, 6, 7, 8, 5))
    assert world.ingest(source, chunk_rows=2).accepted == 3
    assert [row["line"] for row in world.quarantine(source)] == [2, 6]


def test_mostly_is_counted_over_the_whole_batch(world):
    mostly = expect("column_values_to_be_between", column="fare", min_value=1, mostly=0.7)
    source = world.source(expectations=[mostly])
    world.land(rows(0, 5, 5, 5))
    assert world.ingest(source, chunk_rows=1).accepted == 4
    world.land(rows(0, 0, 5, 5))
    assert world.ingest(source, chunk_rows=1).accepted == 2


def test_a_broken_halting_expectation_stops_the_batch_and_says_what_to_do(world):
    count = expect("table_row_count_to_be_between", "halt", "Half a file.", min_value=3, max_value=9)
    source = world.source(expectations=[count])
    world.land(rows(5, 6))
    with pytest.raises(BatchRejectedError) as raised:
        world.ingest(source)
    message = str(raised.value)
    assert "min_value=3, max_value=9" in message
    assert "observed 2" in message
    assert "Half a file." in message
    assert "change expectations.yaml" in message
    assert world.lake.tables() == []


def test_halting_expectations_judge_the_rows_that_would_be_published(world):
    source = world.source(
        expectations=[expect("column_max_to_be_between", "halt", column="fare", max_value=100), BETWEEN]
    )
    world.land(rows(5, 5000))
    assert world.ingest(source).accepted == 1


def test_a_batch_of_no_rows_is_judged_too(world):
    source = world.source(expectations=[BETWEEN, expect("table_row_count_to_be_between", "halt", max_value=9)])
    world.land(HEADER)
    assert world.ingest(source).accepted == 0
    source = world.source(expectations=[expect("table_row_count_to_be_between", "halt", min_value=1)])
    with pytest.raises(BatchRejectedError, match="observed 0"):
        world.ingest(source)


@pytest.mark.parametrize(
    ("expectation", "problem"),
    [
        (expect("column_values_to_be_betwen", column="fare"), "Did you mean 'expect_column_values_to_be_between'"),
        (expect("column_values_to_be_between", column="fares", min_value=1), "Did you mean 'fare'"),
        (expect("column_values_to_be_between", column="fare", minimum=1), "minimum"),
        (expect("table_row_count_to_be_between", min_value=1), "judges a batch, not rows"),
    ],
)
def test_an_expectation_that_gx_does_not_know_is_named_before_anything_is_read(world, expectation, problem):
    source = world.source(expectations=[BETWEEN, expectation])
    [(number, text)] = contract_problems(source)
    assert number == 1
    assert problem in text
    world.land(rows(5))
    with pytest.raises(DefinitionError, match=r"expectations.1"):
        world.ingest(source)


def test_an_expectation_that_cannot_be_evaluated_is_an_error_and_not_a_pass(world):
    source = world.source(expectations=[expect("column_values_to_be_between", column="city", min_value=1)])
    world.land(rows(5))
    with pytest.raises(DefinitionError, match="cannot be evaluated"):
        world.ingest(source)


def test_days_in_yaml_are_compared_with_timestamps(world):
    import datetime

    late = expect("column_values_to_be_between", column="at", max_value=datetime.date(2013, 1, 31))
    source = world.source(expectations=[late])
    world.land(HEADER + "1,Rome,1,2013-01-30T23:00:00Z\n2,Rome,1,2013-01-31T01:00:00Z\n")
    assert world.ingest(source).accepted == 1


def test_large_integers_beside_nulls_stay_exact(world):
    large = 2**53 + 1
    allowed = expect("column_values_to_be_in_set", column="code", value_set=[large])
    source = world.source(columns={**COLUMNS, "code": "int64"}, expectations=[allowed])
    world.land(f"trip,city,fare,at,code\n1,,,2013-01-31,{large}\n2,,,2013-01-31,\n3,,,2013-01-31,{large - 1}\n")
    assert world.ingest(source).accepted == 2


def test_gx_starts_no_thread_and_prints_nothing(world, capfd):
    before = set(threading.enumerate())
    source = world.source(expectations=[BETWEEN])
    world.land(rows(5))
    world.ingest(source)
    assert set(threading.enumerate()) == before
    assert capfd.readouterr() == ("", "")


def test_what_was_observed_of_people_is_not_told(world):
    columns = {**COLUMNS, "city": {"type": "string", "personal": True}}
    in_set = expect("column_distinct_values_to_be_in_set", "halt", column="city", value_set=["Oslo"])
    source = world.source(columns=columns, expectations=[in_set])
    world.land(rows(5))
    with pytest.raises(BatchRejectedError, match="not told, since the column is personal") as error:
        world.ingest(source)
    assert "Rome" not in str(error.value)
