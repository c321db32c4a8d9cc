"""What a human-in-the-loop step left behind: what was asked, and who answered what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from slipstream.promotion import Answer

ANSWER, ASKED = "answer", "asked"
"""XComs of the step: the whole answer, and what held when the question was put."""


def answer_of(context: Context, task_id: str | None, *, wanted: bool = False) -> Answer | None:
    """Return what came of the approval ``task_id``; None without such a step, or where it was not reached.

    Raises:
        FatalError: An answer is ``wanted``, and there is none.
    """
    from slipstream.promotion import Answer

    if task_id is None:
        return None
    found = context["ti"].xcom_pull(task_ids=task_id, key=ANSWER)
    if isinstance(found, Mapping):
        return Answer.from_dict(found)
    if wanted:
        message = f"Wanted the answer that the task {task_id!r} left, found {found!r}. Clear that task too."
        raise FatalError(message)
    return None


def user_of(event: Mapping[str, Any]) -> str | None:
    """Return the user who answered, from the event that resumes the step; None where nobody did."""
    user = event.get("responded_by_user")
    if not user:
        return None
    return str(user.get("name") or user.get("id")) if isinstance(user, Mapping) else str(user)
