"""What only Airflow knows of a model: when its DAGs run next, and which questions wait for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

SCHEDULED = ("training", "scoring", "monitoring")


@dataclass(frozen=True)
class NextRun:
    """When the next run of a stage's DAG is created, UTC; None without a schedule."""

    stage: str
    at: datetime | None
    paused: bool


def next_runs(models: Iterable[str]) -> Mapping[str, list[NextRun]]:
    """Return the next runs by model, in the order of the stages; a DAG that was not parsed yet is left out."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = {f"{model}.{stage}": (model, stage) for model in models for stage in SCHEDULED}
    query = select(DagModel.dag_id, DagModel.next_dagrun_create_after, DagModel.is_paused)
    query = query.where(DagModel.dag_id.in_(wanted), DagModel.is_stale.is_(False))
    found: dict[str, list[NextRun]] = {}
    with create_session() as session:
        for dag_id, at, paused in session.execute(query):
            model, stage = wanted[dag_id]
            found.setdefault(model, []).append(NextRun(stage, at, bool(paused)))
    return {model: sorted(runs, key=lambda run: SCHEDULED.index(run.stage)) for model, runs in found.items()}


def waiting_approvals(models: Iterable[str]) -> Mapping[str, int]:
    """Return how many questions of each model's promotion nobody has answered yet; models without one are left out."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import func, select

    wanted = {f"{model}.promotion": model for model in models}
    query = (
        select(TaskInstance.dag_id, func.count())
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(
            TaskInstance.dag_id.in_(wanted),
            HITLDetail.responded_at.is_(None),
            TaskInstance.state.in_([TaskInstanceState.AWAITING_INPUT, TaskInstanceState.DEFERRED]),
        )
        .group_by(TaskInstance.dag_id)
    )
    with create_session() as session:
        return {wanted[dag_id]: number for dag_id, number in session.execute(query)}
