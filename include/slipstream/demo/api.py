"""The little of Airflow's REST API that the demo and the tests speak."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from slipstream.errors import FatalError, ServiceError
from slipstream.intervals import utc

DONE = ("success", "failed")
AWAITING = "awaiting_input"
SETTLED = timedelta(seconds=5)
"""Airflow 3.3 asks anew if the answer comes before its scheduler has noticed that the asking process ended."""
PAGE = 100


class AirflowApi:
    """Speaks to one Airflow as one user; a token that has run out is renewed.

    Args:
        url: The API server's address, without ``/api/v2``.
        user: A user of the simple auth manager.
        passwords: The file with the generated passwords.
    """

    def __init__(self, url: str, *, user: str, passwords: Path) -> None:
        self._url, self.user, self._passwords = url.rstrip("/"), user, passwords
        self._client = httpx.Client(base_url=self._url, timeout=30, headers={}, trust_env=False)

    def __enter__(self) -> AirflowApi:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("PATCH", path, json=body)

    def dags(self) -> set[str]:
        """Return the ids of all DAGs that Airflow has parsed."""
        found = self.get("/dags", limit=PAGE)
        return {dag["dag_id"] for dag in found["dags"]}

    def import_errors(self) -> list[str]:
        return [error["stack_trace"] for error in self.get("/importErrors")["import_errors"]]

    def unpause(self, dag_ids: Collection[str]) -> None:
        for dag_id in dag_ids:
            self.patch(f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run by hand and return its id."""
        run = self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        return str(run["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def count(self, dag_ids: Collection[str], states: Collection[str]) -> int:
        """Return how many runs of these DAGs are in one of these states."""
        body = {"dag_ids": sorted(dag_ids), "states": sorted(states), "page_limit": 1}
        return int(self.post("/dags/~/dagRuns/list", body)["total_entries"])

    def runs(self, dag_ids: Collection[str], states: Collection[str] = ()) -> list[dict[str, Any]]:
        """Return the runs of these DAGs, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            body: dict[str, Any] = {"dag_ids": sorted(dag_ids), "page_limit": PAGE, "page_offset": len(found)}
            if states:
                body["states"] = sorted(states)
            page = self.post("/dags/~/dagRuns/list", {**body, "order_by": "id"})
            found += page["dag_runs"]
            if len(found) >= page["total_entries"] or not page["dag_runs"]:
                return found

    def failed_tasks(self, dag_id: str, run_id: str) -> list[str]:
        tasks = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=PAGE)["task_instances"]
        return [task["task_id"] for task in tasks if task["state"] in ("failed", "upstream_failed")]

    def waiting(self, dag_id: str, task_id: str) -> list[str]:
        """Return the runs of a DAG in which this task has waited for a person long enough to be answered."""
        found = self.get(f"/dags/{dag_id}/dagRuns/~/hitlDetails", task_id=task_id, response_received=False, limit=PAGE)
        limit = datetime.now(UTC) - SETTLED
        ripe = [each["task_instance"] for each in found["hitl_details"] if utc(each["created_at"]) < limit]
        return [str(task["dag_run_id"]) for task in ripe if task["state"] == AWAITING]

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Answer, as this user, the question of a task that waits for a person."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/-1/hitlDetails"
        self.patch(path, {"chosen_options": [option], "params_input": {}})

    def _call(self, method: str, path: str, **request: Any) -> Any:
        for attempt in (1, 2):
            try:
                if "Authorization" not in self._client.headers:
                    self._log_in()
                answer = self._client.request(method, f"/api/v2{path}", **request)
            except httpx.HTTPError as error:
                message = f"Airflow at {self._url} did not answer {method} {path}: {error}. See `slipstream status`."
                raise ServiceError(message) from error
            if answer.status_code == httpx.codes.UNAUTHORIZED and attempt == 1:
                del self._client.headers["Authorization"]
                continue
            break
        if answer.is_error:
            message = f"Airflow refused {method} {path} with {answer.status_code}: {answer.text[:500]}"
            raise FatalError(message)
        return answer.json() if answer.content else None

    def _log_in(self) -> None:
        passwords = json.loads(self._passwords.read_text(encoding="utf-8"))
        body = {"username": self.user, "password": passwords[self.user]}
        answer = self._client.post("/auth/token", json=body)
        if answer.is_error:
            message = (
                f"Airflow did not let {self.user!r} in ({answer.status_code}). The passwords are in {self._passwords}."
            )
            raise FatalError(message)
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def wait_until(done: Callable[[], bool], *, what: str, seconds: float, every: float = 1.0) -> None:
    """Ask ``done`` again and again; FatalError where it is not so within ``seconds``."""
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            message = f"{what} has not happened within {seconds:.0f} s. See the Airflow UI, and `slipstream status`."
            raise FatalError(message)
        time.sleep(every)
