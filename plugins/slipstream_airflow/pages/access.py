"""Who may see what: Airflow's login, and the right to see the DAG that decides about a model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import HTTPException, Request
from fastapi.params import Path

NAME = re.compile(r"[a-z][a-z0-9_]*")
UNKNOWN = "There is no such model or version. `slipstream ledger MODEL` lists those that were judged."
_STAGE = "promotion"


def dag_of(model: str) -> str:
    """Return the DAG whose readers may see a model: the one that decides about it."""
    return f"{model}.{_STAGE}"


def may_see_model(model: Annotated[str, Path()], request: Request, user: GetUserDep) -> None:
    """Let those in who may see ``<model>.promotion``; 401 without a user, 403 without the right, 404 for no name."""
    if not NAME.fullmatch(model):
        raise HTTPException(404, UNKNOWN)
    requires_access_dag("GET", param_dag_id=dag_of(model))(request, user)


def may_see_dag(dag_id: Annotated[str, Path()], request: Request, user: GetUserDep) -> None:
    """Let those in who may see the DAG whose tab this is."""
    requires_access_dag("GET", param_dag_id=dag_id)(request, user)


def visible_models(names: Iterable[str], user: Any) -> set[str]:
    """Return those of ``names`` whose deciding DAG ``user`` may see; one question a team, not one a model."""
    dags = {dag_of(name): name for name in names}
    teams: dict[str | None, set[str]] = {}
    of_dag = DagModel.get_dag_id_to_team_name_mapping(list(dags))
    for dag_id in dags:
        teams.setdefault(of_dag.get(dag_id), set()).add(dag_id)
    manager, found = get_auth_manager(), set()
    for team, dag_ids in teams.items():
        found |= manager.filter_authorized_dag_ids(dag_ids=dag_ids, user=user, method="GET", team_name=team)
    return {dags[dag_id] for dag_id in found}
