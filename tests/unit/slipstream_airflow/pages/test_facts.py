"""What the pages ask Airflow's own tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from slipstream_airflow.pages.facts import NextRun, next_runs, waiting_approvals

SOON = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def insert(airflow_tables: None) -> Iterator[Any]:
    """Give ``insert(table, values)``: a row whose other columns hold anything that fits, taken out again afterwards."""
    from airflow.settings import engine

    filler = {int: 0, str: "x", bool: False, datetime: SOON, dict: {}}
    written: list[Any] = []
    with engine.connect() as connection:
        connection.execute(sa.text("PRAGMA foreign_keys=OFF"))

        def put(table: Any, **values: Any) -> None:
            def fill(column: Any) -> Any:
                try:
                    return filler.get(column.type.python_type, {})
                except NotImplementedError:
                    return {}

            needed = [each for each in table.columns if not each.nullable and each.default is None]
            rest = {each.name: fill(each) for each in needed if each.name not in values}
            connection.execute(sa.insert(table).values(**rest, **values))
            key = next(iter(table.primary_key.columns))
            written.append(sa.delete(table).where(key == values[key.name]))

        yield lambda table, **values: (put(table, **values), connection.commit())
        for statement in reversed(written):
            connection.execute(statement)
        connection.commit()
        connection.execute(sa.text("PRAGMA foreign_keys=ON"))


def test_next_runs_are_those_of_the_stages_with_a_clock(insert: Any) -> None:
    from airflow.models.dag import DagModel

    for dag_id, at, paused in (
        ("churn.scoring", SOON, False),
        ("churn.training", None, True),
        ("churn.promotion", SOON, False),
        ("other.scoring", SOON, False),
    ):
        insert(DagModel.__table__, dag_id=dag_id, next_dagrun_create_after=at, is_paused=paused, is_stale=False)
    found = next_runs(["churn", "unknown"])
    assert found == {"churn": [NextRun("training", None, True), NextRun("scoring", SOON, False)]}


def test_only_open_questions_of_a_promotion_wait(insert: Any) -> None:
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance

    for number, (dag_id, state, answered) in enumerate(
        (
            ("churn.promotion", "awaiting_input", None),
            ("churn.promotion", "success", SOON),
            ("churn.promotion", "failed", None),
            ("churn.training", "awaiting_input", None),
            ("other.promotion", "awaiting_input", None),
        )
    ):
        key = uuid.uuid4()
        insert(
            TaskInstance.__table__, id=key, dag_id=dag_id, run_id=str(number), task_id="request_approval", state=state
        )
        insert(HITLDetail.__table__, ti_id=key, responded_at=answered)
    assert waiting_approvals(["churn", "unknown"]) == {"churn": 1}
