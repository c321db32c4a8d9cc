"""Every DAG imports, and has the shape that its stage promises."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
INGESTION = ["wait_for_batch", "load_batch", "validate_batch", "publish_batch"]
PROMOTION = ["compare_with_champion", "gate", "promote_challenger", "reject_challenger"]
MONITORING = ["wait_for_predictions", "report_drift", "report_performance", "decide"]
TRAINING = ["claim_training", "build_training_set", "fit_candidate", "register_challenger"]
TASKS = {
    "orders.ingestion": INGESTION,
    "outcomes.ingestion": INGESTION,
    "order_facts.features": ["wait_for_inputs", "materialise_features"],
    "returns.training": TRAINING,
    "refunds.training": TRAINING,
    "returns.promotion": PROMOTION,
    "refunds.promotion": [*PROMOTION, "request_approval"],
    "returns.scoring": ["wait_for_features", "score_population", "publish_predictions"],
    "refunds.scoring": ["wait_for_features", "score_population", "publish_predictions"],
    "returns.monitoring": MONITORING,
    "refunds.monitoring": MONITORING,
    "returns.rollback": ["restore_version"],
    "refunds.rollback": ["restore_version"],
    "lake.maintenance": ["compact", "sweep_staging", "vacuum"],
}
OWNERS = {"ingestion": "shop", "features": "shop-data", "maintenance": "platform"}
BY_HAND = {
    "ingestion": {"interval_start"},
    "features": {"interval_start"},
    "scoring": {"interval_start"},
    "training": {"as_of", "reason"},
    "promotion": {"as_of", "challenger"},
    "monitoring": {"interval_start", "signal_in_backfill"},
    "rollback": {"version", "reason"},
    "maintenance": set(),
}
SEVERAL_AT_ONCE = {"ingestion", "features", "scoring", "monitoring"}
dag_ids = pytest.mark.parametrize("dag_id", sorted(TASKS))


def stage_of(dag_id: str) -> str:
    return dag_id.partition(".")[2]


def test_every_file_imports_and_makes_exactly_the_promised_dags(dagbag: Any) -> None:
    assert dagbag.import_errors == {}
    assert set(dagbag.dags) == set(TASKS)


@dag_ids
def test_a_dag_has_exactly_the_promised_tasks(dagbag: Any, dag_id: str) -> None:
    assert sorted(dagbag.dags[dag_id].task_ids) == sorted(TASKS[dag_id])


@dag_ids
def test_a_dag_is_tagged_by_stage_and_definition(dagbag: Any, dag_id: str) -> None:
    assert dagbag.dags[dag_id].tags == set(dag_id.split("."))


@dag_ids
def test_a_dag_and_each_of_its_tasks_explain_themselves(dagbag: Any, dag_id: str) -> None:
    dag = dagbag.dags[dag_id]
    assert dag.description
    assert f"docs/runbooks/{stage_of(dag_id)}.md" in dag.doc_md
    assert [task.task_id for task in dag.tasks if not task.doc_md] == []


@dag_ids
def test_a_runbook_exists_for_every_dag(dag_id: str) -> None:
    runbook = REPOSITORY / "docs" / "runbooks" / f"{stage_of(dag_id)}.md"
    assert stage_of(dag_id) == "promotion" or runbook.is_file()


@dag_ids
def test_tasks_belong_to_the_owner_of_the_definition(dagbag: Any, dag_id: str) -> None:
    wanted = OWNERS.get(stage_of(dag_id), "shop-science")
    assert {task.owner for task in dagbag.dags[dag_id].tasks} == {wanted}


@dag_ids
def test_tasks_are_tried_again_but_not_after_a_fatal_error(dagbag: Any, dag_id: str) -> None:
    from slipstream.errors import BatchRejectedError, IncompleteError, WriteConflictError

    for task in dagbag.dags[dag_id].tasks:
        assert task.retries == 3
        assert task.retry_delay.total_seconds() == 10
        for fatal in (BatchRejectedError("x"), IncompleteError("x")):
            assert task.retry_policy.evaluate(fatal, 1, 3).action.value == "fail"
        assert task.retry_policy.evaluate(WriteConflictError("x"), 1, 3).action.value == "default"


@dag_ids
def test_tasks_cannot_run_for_ever(dagbag: Any, dag_id: str) -> None:
    endless = [task.task_id for task in dagbag.dags[dag_id].tasks if task.execution_timeout is None]
    assert endless == (["request_approval"] if dag_id == "refunds.promotion" else [])


@dag_ids
def test_runs_meet_only_where_they_cannot_disturb_each_other(dagbag: Any, dag_id: str) -> None:
    assert dagbag.dags[dag_id].max_active_runs == (16 if stage_of(dag_id) in SEVERAL_AT_ONCE else 1)
    assert dagbag.dags[dag_id].catchup is False


@dag_ids
def test_a_dag_asks_for_what_a_run_by_hand_needs(dagbag: Any, dag_id: str) -> None:
    params = dagbag.dags[dag_id].params
    assert set(params) == BY_HAND[stage_of(dag_id)]
    assert all(params.get_param(name).description for name in params)


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("returns.rollback", {}),
        ("returns.rollback", {"reason": "short"}),
        ("returns.rollback", {"reason": "It predicts nonsense.", "version": "two"}),
        ("orders.ingestion", {"interval_start": "last week"}),
        ("returns.training", {"as_of": 5}),
        ("returns.monitoring", {"signal_in_backfill": "perhaps"}),
    ],
)
def test_a_form_refuses_what_does_not_fit(dagbag: Any, dag_id: str, conf: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = dagbag.dags[dag_id].params
    params = params.__class__({**{name: params.get_param(name) for name in params}})
    with pytest.raises(ParamValidationError):
        fill_in(params, conf)


def test_schedules_give_the_start_of_the_interval_as_logical_date(dagbag: Any) -> None:
    from slipstream.intervals import utc

    first, last = utc("2013-01-05"), utc("2013-01-07")
    for dag_id in ("orders.ingestion", "order_facts.features", "returns.monitoring", "returns.scoring"):
        dates = [info.logical_date for info in logical_dates(dagbag, dag_id, first, last)]
        assert dates == [utc(f"2013-01-0{day}") for day in (5, 6, 7)], dag_id
    runs = list(logical_dates(dagbag, "returns.scoring", first, first))
    assert runs[0].run_after == first
    runs = list(logical_dates(dagbag, "returns.training", utc("2013-01-01"), utc("2013-01-31")))
    assert [(run.logical_date, run.run_after) for run in runs] == [(utc("2013-01-01"), utc("2013-02-01"))]


def test_every_cron_stage_can_be_backfilled_and_the_others_cannot(dagbag: Any) -> None:
    periodic = {dag_id for dag_id in TASKS if serialised(dagbag, dag_id).timetable.periodic}
    without = {"returns.promotion", "refunds.promotion", "returns.rollback", "refunds.rollback", "refunds.training"}
    assert periodic == set(TASKS) - without


def test_a_model_without_a_schedule_is_trained_on_the_signal_alone(dagbag: Any) -> None:
    assert "slipstream://refunds/retrain" in str(dagbag.dags["refunds.training"].schedule)
    assert "slipstream://returns/retrain" in str(dagbag.dags["returns.training"].timetable)


def test_the_triggerer_watches_the_lake_for_a_training_to_start(dagbag: Any) -> None:
    from slipstream_airflow.assets import retrain_asset

    (watcher,) = retrain_asset(SimpleNamespace(name="refunds")).watchers  # type: ignore[arg-type]
    path, arguments = watcher.trigger.serialize()
    assert path == "slipstream_airflow.triggers.retrain.RetrainTrigger"
    assert arguments["model"] == "refunds"
    assert "refunds_retrain" in str(serialised(dagbag, "refunds.training").timetable.serialize())


def test_changes_of_an_alarm_are_told_where_they_come_about(dagbag: Any) -> None:
    telling = {
        f"{dag_id}.{task.task_id}"
        for dag_id, dag in dagbag.dags.items()
        for task in dag.tasks
        if task.has_on_success_callback
    }
    tasks = (
        "monitoring.decide",
        "training.claim_training",
        "promotion.promote_challenger",
        "promotion.reject_challenger",
    )
    assert telling == {f"{model}.{task}" for model in ("returns", "refunds") for task in tasks}


def test_trainings_queue_in_a_pool_of_their_own(dagbag: Any) -> None:
    dag = dagbag.dags["returns.training"]
    assert dag.get_task("fit_candidate").pool == "training"
    assert dag.get_task("register_challenger").pool == "training"
    assert dag.get_task("build_training_set").pool == "default_pool"


def test_candidates_are_mapped_over_the_parameter_grid(dagbag: Any) -> None:
    task = dagbag.dags["returns.training"].get_task("fit_candidate")
    assert task.is_mapped
    assert task.expand_input.value == {"index": [0, 1]}


def test_maintenance_maps_over_every_table_that_definitions_may_have(dagbag: Any) -> None:
    tables = dagbag.dags["lake.maintenance"].get_task("vacuum").expand_input.value["table"]
    assert {"raw/orders", "quarantine/orders", "features/order_facts", "predictions/returns"} <= set(tables)
    assert tables[-1] == "ledger/promotions"


def test_what_stages_write_is_announced_as_assets(dagbag: Any) -> None:
    outlets = {
        outlet.uri: f"{dag_id}.{task.task_id}"
        for dag_id, dag in dagbag.dags.items()
        for task in dag.tasks
        for outlet in task.outlets
    }
    assert outlets["slipstream://raw/orders"] == "orders.ingestion.publish_batch"
    assert outlets["slipstream://features/order_facts"] == "order_facts.features.materialise_features"
    assert outlets["slipstream://returns/challenger"] == "returns.training.register_challenger"
    assert outlets["slipstream://returns/monitoring"] == "returns.monitoring.decide"
    assert "slipstream://returns/retrain" not in outlets
    assert outlets["slipstream://returns/predictions"] == "returns.scoring.publish_predictions"


def test_links_survive_serialisation(dagbag: Any) -> None:
    task = serialised(dagbag, "returns.monitoring").get_task("report_drift")
    assert set(task.extra_links) == {"Evidently report", "Registered version"}


def fill_in(params: Any, conf: dict[str, Any]) -> None:
    params.update(conf)
    params.validate()


def serialised(dagbag: Any, dag_id: str) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags[dag_id]))


def logical_dates(dagbag: Any, dag_id: str, first: Any, last: Any) -> list[Any]:
    return list(serialised(dagbag, dag_id).iter_dagrun_infos_between(first, last))
