"""The worked example's definitions, on its own flights."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from slipstream.definitions import Definitions, Model, load_definitions
from slipstream.engine import query
from slipstream.example import flights as data
from slipstream.settings import Settings, find_project

ONE_DAY = timedelta(days=1)
Raw: TypeAlias = dict[str, tuple[pd.DataFrame, pa.Schema]]
DAYS = [datetime(2013, 2, 9, tzinfo=UTC), datetime(2013, 3, 10, tzinfo=UTC), datetime(2013, 11, 3, tzinfo=UTC)]


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return load_definitions(find_project(Path(__file__).parent) / "include")


@pytest.fixture(scope="module")
def raw(definitions: Definitions) -> Raw:
    """The sources' rows as the lake holds them: declared columns, event_time, known_at."""
    flights = data.flights()
    frames = {"schedules": flights, "movements": flights.dropna(subset=["arr_delay"]), "weather": data.weather()}
    for name, frame in frames.items():
        source = definitions.source(name)
        times = {"event_time": frame[source.event_time], "known_at": frame[source.known_at]}
        frames[name] = frame[list(source.columns)].assign(**times)
    return {name: (frame, definitions.source(name).table_schema) for name, frame in frames.items()}


def tables(raw: Raw, inputs: Any, start: datetime, end: datetime) -> dict[str, pa.Table]:
    found = {}
    for alias, given in inputs.items():
        frame, schema = raw[given.table.removeprefix("raw/")]
        rows = frame[(frame["known_at"] >= start - given.lookback) & (frame["known_at"] < end)]
        found[alias] = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
    return found


def run(sql: str, given: dict[str, pa.Table], start: datetime, end: datetime) -> pd.DataFrame:
    bounds = {"interval_start": start, "interval_end": end}
    return query(sql, tables=given, params=bounds, settings=Settings()).to_pandas()


def test_a_recorded_definition_can_be_read_back(definitions: Definitions) -> None:
    for model in definitions.models.values():
        again = Model.from_record(json.loads(json.dumps(model.as_record())))
        assert (again.digest, again.training_digest) == (model.digest, model.training_digest)


def test_the_examples_definitions_have_no_problem(definitions: Definitions) -> None:
    from slipstream.checking import check_definitions

    report = check_definitions(definitions.root)
    assert report.problems == ()
    assert report.counts == {"sources": 4, "views": 4, "models": 2}


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("name", ["flight_schedule", "airport_conditions", "carrier_delays"])
def test_what_comes_later_changes_no_row_that_was_known_before(
    definitions: Definitions, raw: Raw, name: str, day: datetime
) -> None:
    view, noon = definitions.view(name), day + timedelta(hours=13)
    given = tables(raw, view.inputs, day, day + ONE_DAY)
    earlier = {alias: rows.filter(pc.field("known_at") < noon) for alias, rows in given.items()}
    order = [*view.entity, "event_time"]

    whole = run(view.query, given, day, day + ONE_DAY)
    part = run(view.query, earlier, day, day + ONE_DAY)

    known = [rows[rows["known_at"] <= noon].sort_values(order, ignore_index=True) for rows in (whole, part)]
    assert len(known[0]) > 20
    pd.testing.assert_frame_equal(known[0], known[1])


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("name", ["airport_conditions", "carrier_delays"])
def test_an_hourly_view_has_each_hour_once_and_the_last_is_known_at_midnight(
    definitions: Definitions, raw: Raw, name: str, day: datetime
) -> None:
    view = definitions.view(name)

    rows = run(view.query, tables(raw, view.inputs, day, day + ONE_DAY), day, day + ONE_DAY)

    assert not rows.duplicated([*view.entity, "event_time"]).any()
    assert rows["event_time"].min() == day
    assert rows["known_at"].max() == day + ONE_DAY
    assert (rows["known_at"] - rows["event_time"] == timedelta(hours=1)).all()


def test_an_airports_delays_are_those_of_what_landed_in_the_hours_before(definitions: Definitions, raw: Raw) -> None:
    view, day = definitions.view("airport_conditions"), datetime(2013, 1, 15, tzinfo=UTC)
    rows = run(view.query, tables(raw, view.inputs, day, day + ONE_DAY), day, day + ONE_DAY)
    last = rows[rows["known_at"] == day + ONE_DAY].set_index("origin").loc["JFK"]

    landed = raw["movements"][0].query("origin == 'JFK'")
    landed = landed[(landed["known_at"] >= day) & (landed["known_at"] < day + ONE_DAY)]
    recent = landed[landed["known_at"] >= day + timedelta(hours=21)]
    assert last["late_share_24h"] == pytest.approx((landed["arr_delay"] > 15).mean(), abs=1e-12)
    assert last["delay_3h"] == pytest.approx(recent["dep_delay"].mean(), abs=1e-12)


@pytest.mark.parametrize("model", ["arrival_delay", "air_time"])
@pytest.mark.parametrize("day", DAYS)
def test_a_days_population_is_the_flights_of_that_local_day_at_midnight(
    definitions: Definitions, raw: Raw, model: str, day: datetime
) -> None:
    population = definitions.model(model).population
    sql = definitions.model(model).text(population.sql)

    # As at the time of scoring: the plan of the day after is not there yet.
    found = run(sql, tables(raw, population.inputs, day, day), day, day + ONE_DAY)

    flights = data.flights()
    assert sorted(found["flight_id"]) == sorted(flights.loc[flights["day"] == f"{day:%Y-%m-%d}", "flight_id"])
    assert (found["prediction_time"] == day).all()


def test_late_is_more_than_fifteen_minutes_and_known_on_landing(definitions: Definitions, raw: Raw) -> None:
    model = definitions.model("arrival_delay")
    day = DAYS[0]
    given = tables(raw, model.label.inputs, day, day + ONE_DAY)

    labels = run(model.text(model.label.sql), given, day, day + ONE_DAY)

    landed = given["movements"].to_pandas()
    found = labels.merge(landed, on="flight_id", suffixes=("", "_of_landing"))
    assert len(found) == len(landed) == len(labels)
    assert (found["label"] == (found["arr_delay"] > 15)).all()
    assert (found["known_at"] == found["landed_at"]).all()


@pytest.mark.parametrize("model", ["arrival_delay", "air_time"])
def test_an_estimator_takes_missing_values_and_airlines_it_never_saw_and_is_saved_without_pickle(
    definitions: Definitions, model: str
) -> None:
    import importlib.util

    import skops.io

    folder = definitions.root / "models" / model
    spec = importlib.util.spec_from_file_location(f"estimator_of_{model}", folder / "estimator.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    columns = definitions.model(model).feature_columns
    random = np.random.default_rng(1)
    rows = pd.DataFrame(random.normal(size=(400, len(columns))), columns=columns)
    for column in module.CATEGORIES:
        rows[column] = random.choice(["AA", "UA", None], size=len(rows))
    estimator = module.build({"random_state": 1}).fit(rows, np.arange(len(rows)) % 2)

    strange = rows.head(3).copy()
    strange[module.CATEGORIES] = "never seen"
    strange.iloc[0] = None
    saved = skops.io.dumps(estimator)
    trusted = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
    restored = skops.io.loads(saved, trusted=[trusted])
    assert skops.io.get_untrusted_types(data=saved) == [trusted]
    assert np.isfinite(estimator.predict(strange)).all()
    assert (restored.predict(strange) == estimator.predict(strange)).all()
