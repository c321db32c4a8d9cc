from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from slipstream.features.sampling import below, limit_of, sample_rows

KEYS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 50)), st.sampled_from(["a", "b", None])), max_size=60)


def rows(values: list[tuple[int | None, str | None]]) -> pa.Table:
    return pa.table(
        {
            "number": pa.array([value[0] for value in values], pa.int64()),
            "shop": pa.array([value[1] for value in values], pa.string()),
            "place": pa.array(range(len(values)), pa.int64()),
        }
    )


@given(KEYS, st.integers(1, 70), st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_order_or_batches(
    values: list[tuple[int | None, str | None]], size: int, batch: int, dice: object
) -> None:
    table = rows(values)
    order = list(range(len(values)))
    dice.shuffle(order)  # type: ignore[attr-defined]
    shuffled = table.take(pa.array(order, pa.int64()))
    key = ["number", "shop"]
    first = sample_rows(table.to_batches(), table.schema, key, size)
    second = sample_rows(shuffled.to_batches(max_chunksize=batch), table.schema, key, size)
    assert sorted(first["place"].to_pylist()) == sorted(second["place"].to_pylist())
    assert first.num_rows >= min(size, table.num_rows)


def test_every_row_of_a_key_is_in_the_sample_or_none() -> None:
    table = rows([(n % 40, "a") for n in range(400)])
    sample = sample_rows(table.to_batches(), table.schema, ["number"], 100)
    assert set(pc.value_counts(sample["number"]).field("counts").to_pylist()) == {10}
    assert sample.num_rows == 100


def test_the_limit_of_a_sample_finds_its_rows_again() -> None:
    table = rows([(n, "a") for n in range(400)])
    limit = limit_of(table, ["number"], 37)
    assert table.filter(pa.array(below(table, ["number"], limit))).num_rows == 37
