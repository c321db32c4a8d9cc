"""A connection that need not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from airflow.sdk import Connection


def find_connection(conn_id: str, *, default: str) -> Connection | None:
    """Return a connection, or None where it does not exist and is only the default."""
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        if conn_id != default:
            raise
        return None
