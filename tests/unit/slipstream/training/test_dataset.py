from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream.errors import FatalError, IncompleteError
from slipstream.intervals import utc
from slipstream.training import TrainingSet, build_training_set, training_key
from slipstream.training.dataset import check_rows, in_order, read_parts, validation_start

NOW = utc("2013-02-10")


def test_the_set_ends_where_evaluation_starts_and_says_what_it_was_read_from(stocked_shop):
    model = stocked_shop.model()
    found = build_training_set(model, NOW, **stocked_shop.source, run=stocked_shop.run)
    train, validation, kinds = read_parts(model, found, settings=stocked_shop.settings)
    assert found.train_end == NOW - timedelta(days=10)
    assert pc.max(validation.rows["prediction_time"]).as_py() < found.train_end
    assert pc.max(train.rows["prediction_time"]).as_py() < found.validation_start
    assert pc.min(validation.rows["prediction_time"]).as_py() == found.validation_start
    assert found.rows == 30 * 60
    assert set(found.versions) == {"raw/orders", "raw/outcomes", "features/order_facts"}
    assert kinds == {"order_facts__size": "double", "order_facts__kind": "string", "order_facts__rush": "double"}


def test_building_again_gives_the_same_set_and_the_same_run(stocked_shop):
    model = stocked_shop.model()
    first, second = (build_training_set(model, NOW, **stocked_shop.source, run=stocked_shop.run) for _ in range(2))
    assert first == second
    assert TrainingSet.from_dict(first.as_dict()) == first


def test_a_set_of_newer_data_does_not_replace_the_rows_that_another_run_fits_on(shop, monkeypatch):
    from slipstream.training import runs

    monkeypatch.setattr(runs, "open_parent", lambda model, staged, **rest: staged)
    model = shop.model()
    first = shop.stage(model)
    train, _, _ = read_parts(model, first, settings=shop.settings)
    second = shop.stage(model, seed=2)
    assert first.key == second.key
    assert first.digest != second.digest
    assert read_parts(model, first, settings=shop.settings)[0].rows.equals(train.rows)


def test_an_interval_that_is_not_there_yet_is_named(stocked_shop):
    late = NOW + timedelta(days=60)
    with pytest.raises(IncompleteError, match="features/order_facts: "):
        build_training_set(stocked_shop.model(), late, **stocked_shop.source, run=stocked_shop.run)


def test_a_time_before_any_row_could_be_trained_on_is_refused(shop):
    with pytest.raises(FatalError, match="nothing to train on"):
        build_training_set(shop.model(), utc("2013-01-05"), **shop.source, run=shop.run)


def test_too_few_rows_are_refused_with_their_number(shop):
    model = shop.model()
    training = model.training.model_copy(update={"min_rows": 5000})
    with pytest.raises(FatalError, match="at least 5000 training rows with a known label, found 1800"):
        shop.stage(model.model_copy(update={"training": training}))


def test_one_class_is_refused_with_its_count(shop):
    rows = pa.table({"prediction_time": pa.array([NOW] * 200, pa.timestamp("us", tz="UTC")), "label": [1.0] * 200})
    with pytest.raises(FatalError, match=r"found \{1.0: 200\}"):
        check_rows(shop.model(), rows, NOW)


def test_the_key_changes_with_time_and_training_but_not_with_the_gate(shop):
    model = shop.model()
    assert training_key(model, NOW) == training_key(model.model_copy(update={"gate": model.gate[:1]}), NOW)
    assert training_key(model, NOW) != training_key(model, NOW + timedelta(days=1))
    assert training_key(model, NOW) != training_key(model.model_copy(update={"seed": 8}), NOW)


def test_order_does_not_depend_on_how_the_rows_came(shop):
    model = shop.model()
    moment = pa.timestamp("us", tz="UTC")
    rows = pa.table(
        {
            "prediction_time": pa.array([NOW, NOW, NOW], moment),
            "order_id": [1, 1, 1],
            "order_facts__size": [2.0, None, 1.0],
            "label": [0.0, 1.0, 1.0],
        }
    )
    assert in_order(rows, model).equals(in_order(rows.take([2, 0, 1]), model))


@given(
    hours=st.lists(st.integers(0, 500), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1),
    share=st.floats(0.01, 0.99),
)
def test_both_parts_have_rows_and_no_time_is_in_both(hours, share):
    times = sorted(NOW + timedelta(hours=hour) for hour in hours)
    rows = pa.table({"prediction_time": pa.array(times, pa.timestamp("us", tz="UTC"))})
    boundary = validation_start(rows, times[-1] + timedelta(hours=1), share)
    earlier = [time for time in times if time < boundary]
    assert 0 < len(earlier) < len(times)


def test_one_prediction_time_cannot_be_split():
    rows = pa.table({"prediction_time": pa.array([NOW, NOW], pa.timestamp("us", tz="UTC"))})
    with pytest.raises(FatalError, match="at least two prediction times"):
        validation_start(rows, NOW + timedelta(days=1), 0.2)
