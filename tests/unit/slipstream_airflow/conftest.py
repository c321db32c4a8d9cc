"""Airflow's tables, for what looks connections up."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def airflow_tables() -> None:
    """Make Airflow's tables in the session's own home."""
    from airflow.utils.db import initdb

    initdb()
