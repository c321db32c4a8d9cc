"""Who answered a human-in-the-loop step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context


def answered_by(context: Context, task_id: str | None) -> str | None:
    """Return the user who answered the approval ``task_id``; None without such a step, or where nobody did."""
    if task_id is None:
        return None
    answer = context["ti"].xcom_pull(task_ids=task_id, key="answer")
    user: Any = answer.get("responded_by_user") if isinstance(answer, Mapping) else None
    if not user:
        return None
    return str(user.get("name") or user.get("id")) if isinstance(user, Mapping) else str(user)
