"""The embedded default: PostgreSQL, Airflow and MLflow on this machine, started and stopped as one."""

from __future__ import annotations

from slipstream.services.places import Places
from slipstream.services.stack import (
    ServicesState,
    ServiceState,
    Stack,
    airflow_command,
    start,
    state,
    stop,
)

__all__ = ["Places", "ServiceState", "ServicesState", "Stack", "airflow_command", "start", "state", "stop"]
