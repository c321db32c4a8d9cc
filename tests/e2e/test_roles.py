"""Who may do what, asked of the real API as each role: nobody, viewer, user, op, admin.

What a role may do is asked with a request that is wrong in itself, so that nothing happens: 400, 404, 409 or 422 means
that it would have been heard.
"""

from __future__ import annotations

from typing import Any

import pytest

from slipstream.demo.steps import APPROVAL, Demo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]  # whoever comes first waits for the replay
MODEL = "air_time"
ROLES = {"": "nobody", "viewer": "viewer", "bo": "user", "ada": "op", "admin": "admin"}
HEARD = {400, 404, 409, 422}
OPEN = {"/api/v2/monitor/health", "/api/v2/version"}
"""What anybody may read: it is what a load balancer asks."""
READS = {
    "/api/v2/dags/~/dagRuns/list",
    "/api/v2/dags/~/dagRuns/~/taskInstances/list",
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list",
}
"""Questions that are too long for an address, and so are asked with POST."""


def statuses(stack: Any, method: str, path: str, body: Any = None) -> dict[str, int]:
    return {role: stack.status(method, path, body, user=user) for user, role in ROLES.items()}


@pytest.mark.parametrize(("stage", "conf"), [("promotion", {"challenger": "x"}), ("rollback", {"version": "x"})])
def test_a_viewer_neither_promotes_nor_rolls_back(stack: Any, replay: Demo, stage: str, conf: dict[str, str]) -> None:
    found = statuses(stack, "POST", f"/api/v2/dags/{MODEL}.{stage}/dagRuns", {"logical_date": None, "conf": conf})
    assert (found.pop("nobody"), found.pop("viewer")) == (401, 403)
    assert set(found.values()) == {400}, found


def test_only_an_approver_is_heard_about_a_question(stack: Any, replay: Demo) -> None:
    asked = replay.api.get(f"/dags/{MODEL}.promotion/dagRuns/~/hitlDetails")["hitl_details"]
    run_id = asked[0]["task_instance"]["dag_run_id"]
    path = f"/api/v2/dags/{MODEL}.promotion/dagRuns/{run_id}/taskInstances/{APPROVAL}/-1/hitlDetails"
    found = statuses(stack, "PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})
    assert found == {"nobody": 401, "viewer": 403, "user": 403, "op": 403, "admin": 409}


def test_connections_and_variables_are_for_those_who_operate(stack: Any, replay: Demo) -> None:
    for path in ("/api/v2/connections", "/api/v2/variables"):
        assert statuses(stack, "GET", path) == {"nobody": 401, "viewer": 403, "user": 403, "op": 200, "admin": 200}


def test_nobody_reads_the_configuration_which_has_the_keys(stack: Any, replay: Demo) -> None:
    found = statuses(stack, "GET", "/api/v2/config")
    assert found.pop("nobody") == 401
    assert set(found.values()) == {403}


def test_everybody_who_signs_in_sees_the_models_and_nobody_else(stack: Any, replay: Demo) -> None:
    for path in ("/slipstream/models", f"/slipstream/models/{MODEL}", f"/slipstream/models/{MODEL}/versions/1/card"):
        found = statuses(stack, "GET", path)
        assert found.pop("nobody") == 401
        assert set(found.values()) == {200}, path


def operations(stack: Any) -> list[tuple[str, str]]:
    """Return method and path of all that Airflow's API offers."""
    paths = stack.call("GET", "/openapi.json")["paths"]
    return [
        (method.upper(), path)
        for path, item in paths.items()
        for method in item
        if path.startswith(("/api/v2/", "/ui/")) and method in ("get", "post", "put", "patch", "delete")
    ]


def filled(path: str) -> str:
    """Fill a path's parameters in, the DAG's with one that is there: of another, who may do what is not asked."""
    run = path.replace("{dag_id}", f"{MODEL}.promotion")
    while "{" in run:
        run = run[: run.index("{")] + "1" + run[run.index("}") + 1 :]
    return run


def test_a_viewer_may_change_nothing_that_the_api_offers(stack: Any, replay: Demo) -> None:
    asked = [each for each in operations(stack) if each[0] != "GET" and each[1] not in READS]
    assert len(asked) > 30
    heard = {each: code for each in asked if (code := _refusal(stack, *each, user="viewer")) != 403}
    assert heard == {}


def test_without_a_login_nothing_is_answered(stack: Any, replay: Demo) -> None:
    asked = [each for each in operations(stack) if each[1] not in OPEN]
    heard = {each: code for each in asked if (code := _refusal(stack, *each, user="")) != 401}
    assert heard == {}


def _refusal(stack: Any, method: str, path: str, *, user: str) -> int:
    return int(stack.status(method, filled(path), None if method in ("GET", "DELETE") else {}, user=user))


def test_the_models_pages_answer_to_no_method_that_changes_anything(stack: Any, replay: Demo) -> None:
    for path in ("/slipstream/models", f"/slipstream/models/{MODEL}", f"/slipstream/models/{MODEL}/restore/1"):
        assert {stack.status(method, path, {}) for method in ("POST", "PUT", "PATCH", "DELETE")} == {405}
