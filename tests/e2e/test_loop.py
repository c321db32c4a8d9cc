"""The whole loop through a real scheduler on a few days of real flights, with a task killed in the middle.

The same intervals are then made without Airflow, in a second lake: every digest must be the same.
"""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.request import ProxyHandler, build_opener

import pytest

from slipstream import promotion
from slipstream.demo.steps import Demo
from slipstream.demo.summary import summary
from slipstream.features import materialise, view_inputs
from slipstream.ingestion import ingest
from slipstream.lake import Lake, Run
from slipstream.promotion.recorded import last_verdict

pytestmark = pytest.mark.timeout(1200)  # whoever comes first waits for the replay


def test_every_run_ends_well_though_a_task_was_killed(replay: Demo) -> None:
    runs = replay.api.runs([f"{name}.ingestion" for name in replay.definitions.sources])
    assert len(runs) > 40
    assert {run["state"] for run in runs} == {"success"}


def test_airflow_reads_every_dag_file(replay: Demo) -> None:
    assert replay.api.import_errors() == []
    models = replay.definitions.models
    stages = ("training", "promotion", "scoring", "monitoring", "rollback")
    assert {f"{name}.{stage}" for name in models for stage in stages} <= replay.api.dags()


def test_the_lake_is_what_the_library_alone_makes(replay: Demo, tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake(tmp_path_factory.mktemp("again") / "lake")
    settings = replay.settings.model_copy(update={"lake": lake.root, "staging": f"{lake.root}/_staging"})
    run = Run.local()
    for source in replay.definitions.sources.values():
        for interval in replay.lake.table(source.table).intervals():
            ingest(source, interval, lake=lake, settings=settings, run=run)
    for view in replay.definitions.views.values():
        for interval in replay.lake.table(view.table).intervals():
            materialise(view, interval, definitions=replay.definitions, lake=lake, settings=settings, run=run)
    tables = [name for name in replay.lake.tables() if name.split("/")[0] in ("raw", "quarantine", "features")]
    assert tables == lake.tables()
    for name in tables:
        assert _digests(replay.lake, name) == _digests(lake, name)


def test_the_champion_is_in_the_ledger_and_in_the_registry(replay: Demo) -> None:
    row = promotion.champion("air_time", lake=replay.lake)
    assert row is not None
    assert row.approval is not None
    assert (row.approval["answer"], row.by) == ("yes", "admin")
    registry = promotion.Registry.from_settings(replay.settings)
    assert registry.version("air_time", "champion") == row.version
    assert [each.as_of for each in promotion.ledger("air_time", lake=replay.lake)] == list(replay.plan.trainings)


def test_every_digest_is_what_was_written(replay: Demo) -> None:
    found = [each for name in replay.lake.tables() for each in replay.lake.table(name).verify()]
    assert len(found) > 100
    assert all(each.ok for each in found)


def test_a_second_replay_changes_no_digest(replay: Demo) -> None:
    before = {name: _digests(replay.lake, name) for name in replay.lake.tables()}
    replace(replay).run()
    assert {name: _digests(replay.lake, name) for name in replay.lake.tables()} == before


def test_the_summary_accounts_for_every_row(replay: Demo) -> None:
    found = summary(
        definitions=replay.definitions,
        lake=replay.lake,
        settings=replay.settings,
        seconds=replay.seconds,
        models=replay.plan.models,
    )
    assert all(row["rows_in"] == row["accepted"] + row["quarantined"] for row in found["rows"])
    assert sum(row["quarantined"] for row in found["rows"]) > 0
    assert next(row["outcome"] for row in found["verdicts"]) == "accepted"
    assert len(found["versions"]) == len(replay.plan.trainings)


def test_the_last_verdict_has_pages_that_open(replay: Demo) -> None:
    found = last_verdict("air_time", lake=replay.lake, settings=replay.settings)
    assert set(found.links) == {"report", "card", "report_in_airflow", "card_in_airflow"}
    run_id, direct = found.verdict.comparison.run_id, build_opener(ProxyHandler({}))
    for page in ("verdict.html", "card.html"):
        address = f"{replay.settings.tracking_uri}/get-artifact?path={page}&run_uuid={run_id}"
        with direct.open(address, timeout=60) as answer:
            assert found.verdict.digest in answer.read().decode()


def test_a_backfilled_stage_reads_only_what_was_finished(replay: Demo) -> None:
    view = replay.definitions.view("airport_conditions")
    interval = replay.lake.table(view.table).intervals()[-1]
    commit = replay.lake.table(view.table).commit_of(interval)
    assert commit is not None
    needed = {each.table for each in view_inputs(view, interval, definitions=replay.definitions)}
    assert set(commit.provenance["inputs"]) == needed
    assert commit.provenance["run"]["dag_id"] == "airport_conditions.features"


@pytest.mark.parametrize(
    ("dag", "kind"),
    [("weather.ingestion", "source"), ("aircraft.features", "view"), ("air_time.scoring", "model")],
)
def test_each_line_of_what_came_of_a_task_names_definition_interval_and_run(replay: Demo, kind: str, dag: str) -> None:
    folder = replay.settings.home / "airflow" / "logs" / f"dag_id={dag}"
    lines = [json.loads(line) for log in folder.rglob("attempt=*.log") for line in log.read_text().splitlines()]
    done = [line for line in lines if line["event"].startswith("Done: ")]
    assert done
    for line in done:
        assert line[kind] == dag.partition(".")[0]
        assert f"interval={line['interval']}" in line["event"]
        assert line["run_id"].startswith("backfill__")


def _digests(lake: Lake, name: str) -> dict[str, str]:
    found = {}
    for interval in lake.table(name).intervals():
        commit = lake.table(name).commit_of(interval)
        assert commit is not None
        found[str(interval)] = commit.digest
    return found
