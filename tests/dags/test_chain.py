"""The whole chain, stage by stage, as Airflow runs it: on a small lake, in this process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from slipstream.intervals import iso, utc

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
AS_OF = "2013-01-19T00:00:00Z"
SCORED = utc("2013-01-20")


@pytest.fixture(scope="module", autouse=True)
def _pool(dagbag: Any) -> None:
    from airflow.utils.session import create_session

    from slipstream_airflow.pools import ensure_pools

    with create_session() as session:
        assert ensure_pools(session)
        assert not ensure_pools(session)


def run(dagbag: Any, dag_id: str, logical_date: Any = None, **conf: Any) -> dict[str, str]:
    """Run a DAG in this process and return the state of each task, after a look at the run's own."""
    finished = dagbag.dags[dag_id].test(logical_date=logical_date, run_conf=conf or None)
    states = {ti.task_id: str(ti.state) for ti in finished.get_task_instances()}
    assert str(finished.state) == "success", states
    return states


def test_ingestion_publishes_an_interval_and_sets_bad_rows_aside(dagbag: Any, project: Any) -> None:
    states = run(dagbag, "orders.ingestion", project.day(2).start)
    assert set(states.values()) == {"success"}
    assert project.lake.table("raw/orders").intervals() == [project.day(2)]
    assert project.lake.table("quarantine/orders").read().num_rows == 1
    commit = project.lake.table("raw/orders").commit_of(project.day(2))
    assert commit.rows == 60
    written_by = commit.provenance["run"]
    assert (written_by["dag_id"], written_by["task_id"]) == ("orders.ingestion", "publish_batch")


def test_a_run_by_hand_takes_the_interval_that_its_form_names(dagbag: Any, project: Any) -> None:
    run(dagbag, "orders.ingestion", interval_start=iso(project.day(4).start))
    assert project.lake.table("raw/orders").complete(project.day(4))


def test_the_same_interval_again_changes_nothing(dagbag: Any, project: Any) -> None:
    before = project.lake.table("raw/orders").version()
    run(dagbag, "orders.ingestion", interval_start=iso(project.day(2).start))
    assert project.lake.table("raw/orders").version() == before


def test_features_are_materialised_once_their_inputs_are_there(dagbag: Any, project: Any) -> None:
    states = run(dagbag, "order_facts.features", project.day(2).start)
    assert states == {"wait_for_inputs": "success", "materialise_features": "success"}
    assert project.lake.table("features/order_facts").complete(project.day(2))


def test_training_registers_a_challenger_that_promotion_makes_champion(dagbag: Any, project: Any) -> None:
    from slipstream.monitoring import retrainings
    from slipstream.promotion import champion

    project.fill(0, 21)
    states = run(dagbag, "returns.training", as_of=AS_OF, reason="The first one.")
    assert set(states.values()) == {"success"}
    claimed = retrainings("returns", lake=project.lake)[-1]
    assert (claimed.action, claimed.why, claimed.reason) == ("started", ("manual",), "The first one.")
    states = run(dagbag, "returns.promotion")
    assert states["promote_challenger"] == "success"
    assert states["reject_challenger"] == "skipped"
    assert champion("returns", lake=project.lake).version == "1"


def test_a_promotion_with_nothing_to_decide_ends_well(dagbag: Any, project: Any) -> None:
    from slipstream.promotion import ledger

    states = run(dagbag, "returns.promotion")
    assert set(states.values()) == {"skipped"}
    assert len(ledger("returns", lake=project.lake)) == 1


def test_the_same_training_again_registers_no_second_version(dagbag: Any, project: Any) -> None:
    from slipstream.promotion import Registry, ledger

    run(dagbag, "returns.training", as_of=AS_OF)
    run(dagbag, "returns.promotion")
    assert Registry.from_settings(project.settings).versions("returns") == ["1"]
    assert len(ledger("returns", lake=project.lake)) == 1


def test_scoring_publishes_the_predictions_of_an_interval(dagbag: Any, project: Any) -> None:
    for day in range(3):
        states = run(dagbag, "returns.scoring", SCORED - timedelta(days=day))
        assert set(states.values()) == {"success"}
    predictions = project.lake.table("predictions/returns").read()
    assert predictions.num_rows == 3 * 60
    assert set(predictions["model_version"].to_pylist()) == {"1"}


def test_monitoring_judges_an_interval_and_writes_down_what_it_decides(dagbag: Any, project: Any) -> None:
    from slipstream.monitoring import retrainings

    states = run(dagbag, "returns.monitoring", SCORED)
    assert set(states.values()) == {"success"}
    decided = retrainings("returns", lake=project.lake)[-1]
    assert (decided.action, decided.as_of) == ("no", SCORED + timedelta(days=1))
    assert decided.reason


def test_a_worse_challenger_is_rejected_and_the_champion_stays(dagbag: Any, project: Any) -> None:
    from slipstream.promotion import champion, ledger

    run(dagbag, "returns.training", as_of="2013-01-21T00:00:00Z")
    states = run(dagbag, "returns.promotion")
    last = ledger("returns", lake=project.lake)[-1]
    ends = {"promoted": "promote_challenger"}
    assert states[ends.get(last.action, "reject_challenger")] == "success"
    assert champion("returns", lake=project.lake).version == last.version


def test_rollback_without_an_earlier_champion_fails_at_once_and_says_why(dagbag: Any, project: Any) -> None:
    finished = dagbag.dags["refunds.rollback"].test(run_conf={"reason": "It predicts nonsense."})
    assert str(finished.state) == "failed"
    assert [ti.try_number for ti in finished.get_task_instances()] == [1]


def test_maintenance_leaves_every_digest_as_it_was(dagbag: Any, project: Any) -> None:
    before = [check.digest_found for check in project.lake.table("raw/orders").verify()]
    states = run(dagbag, "lake.maintenance", utc("2013-01-20T03:00Z"))
    assert set(states.values()) == {"success"}
    assert [check.digest_found for check in project.lake.table("raw/orders").verify()] == before
