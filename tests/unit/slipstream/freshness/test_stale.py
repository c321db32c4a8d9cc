from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.features import population_set
from slipstream.freshness import find_stale, plan_backfills
from slipstream.freshness.backfills import spans
from slipstream.ingestion.releasing import release
from slipstream.intervals import Interval, utc
from slipstream.lake import Provenance

FIRST = utc("2013-03-01")
TREND, SHARE, SCORES, WATCH = "features/trend", "features/share", "predictions/visits", "monitoring/visits"
Kiosk = Any


def day(number: int) -> Interval:
    return Interval(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made") / "kiosk"


@pytest.fixture
def full(kiosk: Kiosk, made: Path) -> Kiosk:
    """Give the kiosk with all its days made, by the first test once for all."""
    if not made.exists():
        kiosk.make_all(kiosk.define())
        shutil.copytree(kiosk.settings.project, made)
    else:
        shutil.copytree(made, kiosk.settings.project, dirs_exist_ok=True)
    return kiosk


def test_nothing_is_stale_after_all_was_made_in_order(full: Kiosk) -> None:
    assert full.stale(full.define()) == []


def test_an_empty_lake_has_nothing_stale(kiosk: Kiosk) -> None:
    assert kiosk.stale(kiosk.define()) == []


def test_a_corrected_day_makes_stale_exactly_what_read_it(full: Kiosk) -> None:
    definitions = full.define()
    full.ingest(definitions, 2, 1.0, 50.0)

    found = full.stale(definitions)

    assert full.days(found, TREND) == [2, 3, 4]  # it looks two days back
    assert full.days(found, SHARE) == []
    assert full.days(found, SHARE, already=False) == [2, 3, 4]
    assert full.days(found, SCORES) == [3]  # whose population was read from it
    assert full.days(found, SCORES, already=False) == [4, 5]  # a value is used for two days
    reason = found[0].reasons[0]
    assert (reason.kind, reason.table, reason.intervals) == ("input", "raw/sales", (day(2),))
    assert reason.read is not None
    assert reason.now is not None
    assert reason.read < reason.now


def test_what_is_mended_in_the_order_of_the_plan_is_stale_no_more(full: Kiosk) -> None:
    definitions = full.define()
    full.ingest(definitions, 2, 1.0, 50.0)

    lines = plan_backfills(((each.table, each.interval) for each in full.stale(definitions)), definitions=definitions)
    for line in lines:
        first = (line.span.start - FIRST).days
        full.make(definitions, line.table, *range(first, first + line.intervals), score=2.0)

    assert [line.table for line in lines] == [TREND, SHARE, SCORES, WATCH]
    assert lines[0].command == (
        "airflow backfill create --dag-id trend.features --from-date 2013-03-03 --to-date 2013-03-05 "
        "--reprocess-behavior completed"
    )
    assert full.stale(definitions) == []


def test_the_same_file_again_and_compaction_make_nothing_stale(full: Kiosk) -> None:
    definitions = full.define()
    full.ingest(definitions, 2, 1.0, 2.0)
    for table in full.lake.tables():
        full.lake.table(table).compact()
    assert full.stale(definitions) == []


def test_a_correction_that_was_taken_back_makes_nothing_stale(full: Kiosk) -> None:
    definitions = full.define()
    full.ingest(definitions, 2, 1.0, 50.0)
    full.ingest(definitions, 2, 1.0, 2.0)
    assert full.stale(definitions) == []


def test_a_correction_that_changes_no_feature_is_settled_by_making_the_view_again(full: Kiosk) -> None:
    definitions = full.define()
    table = full.lake.table(TREND)
    full.ingest(definitions, 2, 2.0, 1.0)  # the sum is the same
    assert full.days(full.stale(definitions), TREND) == [2, 3, 4]

    full.make(definitions, TREND, 2, 3, 4)
    version, rows = table.version(), table.read().num_rows

    assert full.days(full.stale(definitions), TREND) == []
    assert full.days(full.stale(definitions), SHARE, already=False) == []
    full.make(definitions, TREND, 2, 3, 4)
    assert table.version() == version  # said once
    assert rows == 6
    assert all(each.ok for each in table.verify())


def test_a_changed_view_is_stale_as_a_whole_until_it_is_made_again(full: Kiosk) -> None:
    from slipstream.definitions import load_definitions

    path = full.settings.definitions / "features/trend/view.sql"
    path.write_text(f"-- a comment changes the definition, and no row\n{path.read_text()}")
    definitions = load_definitions(full.settings.definitions)

    found = full.stale(definitions)
    assert full.days(found, TREND) == [0, 1, 2, 3, 4, 5]
    assert {reason.kind for each in found if each.table == TREND for reason in each.reasons} == {"definition"}
    assert full.days(found, SHARE, already=False) == [0, 1, 2, 3, 4, 5]

    full.make(definitions, TREND, *range(6))
    assert full.stale(definitions) == []


def test_a_gate_makes_nothing_stale_and_another_population_does(full: Kiosk) -> None:
    assert full.stale(full.define(gain=0.5)) == []
    other = full.define(population="SELECT order_id, shop, $interval_start AS prediction_time FROM sales WHERE true")
    found = full.stale(other)
    assert full.days(found, SCORES) == [1, 2, 3, 4, 5]
    assert full.days(found, TREND) == []


def test_monitoring_of_replaced_predictions_is_stale(full: Kiosk) -> None:
    definitions = full.define()
    full.make(definitions, SCORES, 3, score=9.0)

    found = full.stale(definitions)

    assert {each.table for each in found} == {WATCH}
    # Its window of two days, and two days whose labels have matured since.
    assert full.days(found, WATCH) == [3, 4, 5]
    assert found[0].reasons[0].table == SCORES


def test_monitoring_that_was_made_before_an_older_prediction_of_its_window_is_stale(kiosk: Kiosk) -> None:
    definitions = kiosk.define()
    for number in range(5):
        kiosk.ingest(definitions, number, 1.0, 2.0)
    kiosk.make(definitions, TREND, *range(5))
    kiosk.make(definitions, SHARE, *range(5))
    kiosk.crown()
    for number in (4, 3):  # backwards, each with its monitoring
        kiosk.make(definitions, SCORES, number)
        kiosk.make(definitions, WATCH, number)
    assert kiosk.days(kiosk.stale(definitions), WATCH) == [4]


def test_a_released_row_makes_stale_what_was_built_without_it(full: Kiosk) -> None:
    definitions = full.define()
    full.ingest(definitions, 2, 1.0, 2.0, "many")
    assert full.stale(definitions) == []
    source = definitions.source("sales")
    (entry,) = full.lake.table("quarantine/sales").read(day(2).start, day(2).end).to_pylist()

    release(
        source,
        day(2),
        {entry["id"]: {"amount": "7"}},
        lake=full.lake,
        run=full.run,
    )

    assert full.days(full.stale(definitions), TREND) == [2, 3, 4]


def test_a_late_correction_does_not_change_yesterdays_training_set(full: Kiosk) -> None:
    definitions = full.define()
    model = definitions.model("visits")
    how: dict[str, Any] = {
        "definitions": definitions,
        "lake": full.lake,
        "settings": full.settings,
        "as_of": day(5).start,
        "labels": True,
    }
    before = population_set(model, day(0).start, day(5).start, **how)
    assert before.rows.num_rows > 0

    full.ingest(definitions, 2, 1.0, 50.0)
    full.make(definitions, TREND, 2, 3, 4)
    full.make(definitions, SHARE, 2, 3, 4)

    then = population_set(model, day(0).start, day(5).start, versions=before.versions, **how)
    now = population_set(model, day(0).start, day(5).start, **how)
    assert (then.digest, then.rows) == (before.digest, before.rows)
    assert now.digest != before.digest


def test_rows_that_nobody_recorded_the_inputs_of_are_stale(full: Kiosk) -> None:
    definitions = full.define()
    table = full.lake.table(TREND)
    rows = table.read(day(1).start, day(1).end).drop_columns(["interval_start"]).slice(0, 0)
    table.write(day(1), rows, provenance=Provenance(run=full.run, definition=definitions.view("trend").digest))
    (found,) = [each for each in full.stale(definitions) if each.table == TREND]
    assert found.reasons[0].kind == "unrecorded"
    assert found.reasons[0].intervals == (day(0), day(1))


def test_a_table_that_was_deleted_and_filled_again_is_another_one(full: Kiosk) -> None:
    definitions = full.define()
    shutil.rmtree(full.lake.path("raw/sales"))
    full.ingest(definitions, 0, 1.0, 2.0)
    assert full.days(full.stale(definitions), TREND) != []


def test_days_that_became_hours_are_a_change(full: Kiosk) -> None:
    definitions = full.define()
    table = full.lake.table("raw/sales")
    rows = table.read(day(2).start, day(2).end)
    for part in range(2):
        half = Interval(day(2).start + timedelta(hours=12 * part), day(2).start + timedelta(hours=12 * part + 12))
        table.write(half, rows if part == 0 else rows.slice(0, 0), provenance=Provenance(run=full.run))
    assert full.days(full.stale(definitions), TREND) == [2, 3, 4]


def test_intervals_that_the_definition_no_longer_has_are_left_alone(full: Kiosk) -> None:
    from dataclasses import replace

    definitions = full.define()
    full.ingest(definitions, 2, 1.0, 50.0)
    trend = definitions.view("trend").model_copy(update={"end": day(3).start})
    ended = replace(definitions, views={**definitions.views, "trend": trend})
    assert full.days(find_stale(definitions=ended, lake=full.lake), TREND) == [2]


def test_a_line_bridges_no_interval_that_need_not_be_made(full: Kiosk) -> None:
    definitions = full.define()
    lines = plan_backfills([(SCORES, day(n)) for n in (5, 1, 2, 4)] + [(TREND, day(9))], definitions=definitions)
    assert [(line.table, line.intervals) for line in lines] == [(TREND, 1), (SCORES, 2), (SCORES, 2)]
    assert [line.step for line in lines] == sorted(line.step for line in lines)
    assert "--dag-id visits.scoring --from-date 2013-03-02 --to-date 2013-03-03" in lines[1].command
    assert spans([]) == []


def test_a_version_of_features_that_the_model_no_longer_names_is_looked_at(full: Kiosk) -> None:
    """A champion reads what it was trained on, whatever model.yaml says by now."""
    from dataclasses import replace

    definitions = full.define()
    rows = full.lake.table(SHARE).read(day(2).start, day(2).end).drop_columns(["interval_start"])
    moved = rows.set_column(rows.column_names.index("total"), "total", pa.array([99.0] * rows.num_rows))
    old = full.lake.table(SHARE).commit_of(day(2)).provenance
    full.lake.table(SHARE).write(
        day(2),
        moved,
        provenance=Provenance(run=full.run, inputs=old["inputs"], definition=old["definition"], reads=old["reads"]),
    )
    model = definitions.model("visits").model_copy(update={"features": ("trend:total",)})
    changed = replace(definitions, models={"visits": model})
    assert full.days(find_stale(definitions=changed, lake=full.lake), SCORES) == [3, 4]
