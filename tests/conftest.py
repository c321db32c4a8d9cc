"""Airflow reads its home when it is first imported, so a folder of the session's own is named before any test."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from typing import Any

import pytest

AIRFLOW_HOME = tempfile.mkdtemp(prefix="slipstream-airflow-")
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

TOGETHER = ("tests/e2e/", "tests/dags/")  # their files share a stack, or Airflow's tables, which a process makes once


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Send each file to one process, and the files of a folder that shares its fixtures to the same one."""
    from xdist.scheduler import LoadFileScheduling

    class ByFolder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((each for each in TOGETHER if nodeid.startswith(each)), super()._split_scope(nodeid))

    return ByFolder(config, log) if config.getvalue("dist") == "loadfile" else None
