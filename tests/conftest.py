"""Airflow reads its home when it is first imported, so a folder of the session's own is named before any test."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

AIRFLOW_HOME = tempfile.mkdtemp(prefix="slipstream-airflow-")
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

TOGETHER = ("e2e", "dags")  # folders whose files share a stack, or Airflow's tables: one process each, not one a file


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file's tests in one process, as fixtures of the session are made once in each."""
    for item in items:
        folder, *_ = item.path.relative_to(TESTS).parts
        item.add_marker(pytest.mark.xdist_group(folder if folder in TOGETHER else str(item.path.relative_to(TESTS))))
