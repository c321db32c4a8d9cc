"""Databases that sources of the kind ``sql`` read, behind Airflow connections."""

from __future__ import annotations

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

SCHEMES = {"postgres": "postgresql", "mysql": "mysql+pymysql"}


def use_airflow_connections() -> None:
    """Have the library look up the connection of a ``sql`` source in Airflow before it looks in the environment."""
    from slipstream.ingestion import set_connection_resolver

    set_connection_resolver(resolve)


def resolve(conn_id: str) -> str:
    """Return a connection as a SQLAlchemy URL; KeyError where there is no such connection."""
    try:
        uri = BaseHook.get_connection(conn_id).get_uri()
    except AirflowNotFoundException as error:
        raise KeyError(conn_id) from error
    scheme, _, rest = uri.partition(":")
    return f"{SCHEMES.get(scheme, scheme)}:{rest}"
