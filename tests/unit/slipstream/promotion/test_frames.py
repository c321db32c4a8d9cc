from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from slipstream.errors import SchemaError
from slipstream.promotion.frames import feature_kinds, model_frame


def test_every_number_becomes_a_float_and_every_word_an_object_with_none():
    rows = pa.table(
        {
            "count": pa.array([1, None], pa.int64()),
            "price": pa.array([Decimal("1.5"), None]),
            "flag": pa.array([True, None]),
            "word": pa.array(["a", None]),
            "code": pa.array(["x", None]).dictionary_encode(),
            "void": pa.nulls(2),
        }
    )
    kinds = feature_kinds(rows.schema, rows.column_names)
    frame = model_frame(rows, kinds)
    assert kinds == dict(zip(rows.column_names, ["double"] * 3 + ["string"] * 2 + ["double"], strict=True))
    assert [str(each) for each in frame.dtypes] == ["float64"] * 3 + ["object"] * 2 + ["float64"]
    assert frame.iloc[0].tolist()[:5] == [1.0, 1.5, 1.0, "a", "x"]
    assert frame["word"].tolist() == ["a", None]
    assert np.isnan(frame.iloc[1]["count"])


def test_types_do_not_depend_on_which_values_are_missing():
    kinds = {"n": "double", "w": "string"}
    whole = model_frame(pa.table({"n": [1, 2], "w": ["a", "b"]}), kinds)
    holes = model_frame(pa.table({"n": pa.nulls(2), "w": pa.nulls(2)}), kinds)
    assert whole.dtypes.tolist() == holes.dtypes.tolist()
    assert holes["w"].tolist() == [None, None]


def test_a_frame_of_pandas_gives_the_same_as_a_table():
    rows = pa.table({"n": pa.array([1, None]), "w": pa.array(["a", None]), "b": pa.array([None, True])})
    kinds = feature_kinds(rows.schema, rows.column_names)
    frame = rows.to_pandas()
    frame.loc[1, "w"] = float("nan")
    assert model_frame(frame, kinds).equals(model_frame(rows, kinds))


def test_a_time_is_no_feature_and_the_message_says_what_to_do():
    schema = pa.schema([("t", pa.timestamp("us", tz="UTC"))])
    with pytest.raises(SchemaError, match="an age in hours"):
        feature_kinds(schema, ["t"])
    with pytest.raises(SchemaError, match="trained on numbers in t"):
        model_frame(pa.table({"t": ["2013"]}), {"t": "double"})
    with pytest.raises(SchemaError, match="is of type timestamp"):
        model_frame(pa.table({"t": [datetime(2013, 1, 1, tzinfo=UTC)]}), {"t": "double"})


def test_a_feature_that_is_not_there_is_named():
    with pytest.raises(SchemaError, match=r"\['gone'\]"):
        feature_kinds(pa.schema([("n", pa.int64())]), ["n", "gone"])
