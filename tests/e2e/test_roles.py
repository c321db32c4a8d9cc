"""Who may do what, asked of the real API as each role: nobody, viewer, user, op, admin.

What a role may do is asked with a request that is wrong in itself, so that nothing happens: 400 or 409 means that it
would have been heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from slipstream.demo.steps import APPROVAL, Demo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]  # whoever comes first waits for the replay
MODEL = "air_time"
ROLES = {"": "nobody", "viewer": "viewer", "bo": "user", "ada": "op", "admin": "admin"}
OPEN = {"/api/v2/monitor/health", "/api/v2/version", "/api/v2/auth/login", "/api/v2/auth/logout"}
"""What is there for anybody: what a load balancer asks, and the way in and out."""
OWN = {"/api/v2/dags/{dag_id}/favorite", "/api/v2/dags/{dag_id}/unfavorite"}
"""A person's own bookmarks."""
READS = {
    "/api/v2/dags/~/dagRuns/list",
    "/api/v2/dags/{dag_id}/dagRuns/list",
    "/api/v2/dags/~/dagRuns/~/taskInstances/list",
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list",
}
"""Questions that are too long for an address, and so are asked with POST."""
BODIES = {"/api/v2/dags/{dag_id}/clearDagRuns": {"dag_runs": [{"dag_run_id": "1"}]}}
"""Of what wants one of several fields that are all optional."""


def statuses(stack: Any, method: str, path: str, body: Any = None) -> dict[str, int]:
    return {role: stack.status(method, path, body, user=user) for user, role in ROLES.items()}


@pytest.mark.parametrize(("stage", "conf"), [("promotion", {"challenger": "x"}), ("rollback", {"version": "x"})])
def test_a_viewer_neither_promotes_nor_rolls_back(stack: Any, replay: Demo, stage: str, conf: dict[str, str]) -> None:
    found = statuses(stack, "POST", f"/api/v2/dags/{MODEL}.{stage}/dagRuns", {"logical_date": None, "conf": conf})
    assert (found.pop("nobody"), found.pop("viewer")) == (401, 403)
    assert set(found.values()) == {400}, found


def test_a_viewer_answers_no_question(stack: Any, replay: Demo) -> None:
    """Who of the others may is asked while a question waits: test_promotion.py."""
    asked = replay.api.get(f"/dags/{MODEL}.promotion/dagRuns/~/hitlDetails")["hitl_details"]
    run_id = asked[0]["task_instance"]["dag_run_id"]
    path = f"/api/v2/dags/{MODEL}.promotion/dagRuns/{run_id}/taskInstances/{APPROVAL}/-1/hitlDetails"
    found = statuses(stack, "PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})
    assert (found.pop("nobody"), found.pop("viewer")) == (401, 403)
    assert set(found.values()) == {409}, found


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


@pytest.fixture(scope="module")
def api(stack: Any) -> dict[str, Any]:
    """Give Airflow's own description of its API."""
    found: dict[str, Any] = stack.call("GET", "/openapi.json")
    return found


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield method and path of all that the API offers, with a body that it can read, where it wants one."""
    for path, item in api["paths"].items():
        for method, about in item.items():
            if not path.startswith(("/api/v2/", "/ui/")) or method not in ("get", "post", "put", "patch", "delete"):
                continue
            content = about.get("requestBody", {}).get("content", {}).get("application/json")
            body = made(content["schema"], api) if content else None
            yield method.upper(), path, BODIES.get(path, body)


def made(schema: dict[str, Any], api: dict[str, Any]) -> Any:
    """Return the smallest value of a schema: what is required, lists of one."""
    while "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return made(next(each for each in schema[choice] if each.get("type") != "null"), api)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type", "object")
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: made(fields[name], api) for name in schema.get("required", ()) if name in fields}
    if kind == "array":
        return [made(schema.get("items", {"type": "string"}), api)]
    text = "2013-01-01T00:00:00Z" if schema.get("format") == "date-time" else "x" * schema.get("minLength", 1)
    return {"string": text, "integer": schema.get("minimum", 1), "number": 1.0, "boolean": False}[kind]


def filled(path: str, file_token: str = "1") -> str:  # noqa: S107 - of a file's place, signed
    """Fill a path's parameters in, the DAG's with one that is there."""
    run = path.replace("{dag_id}", f"{MODEL}.promotion").replace("{file_token}", file_token)
    while "{" in run:
        run = run[: run.index("{")] + "1" + run[run.index("}") + 1 :]
    return run


def test_a_viewer_may_change_nothing_that_the_api_offers(stack: Any, replay: Demo, api: dict[str, Any]) -> None:
    asked = [each for each in operations(api) if each[0] != "GET" and each[1] not in READS | OWN]
    assert len(asked) > 30
    token = stack.call("GET", f"/api/v2/dags/{MODEL}.promotion")["file_token"]
    codes = {
        f"{method} {path}": stack.status(method, filled(path, token), body, user="viewer")
        for method, path, body in asked
    }
    assert {name: code for name, code in codes.items() if code != 403} == {}


def test_without_a_login_nothing_is_answered(stack: Any, replay: Demo, api: dict[str, Any]) -> None:
    asked = [each for each in operations(api) if each[1] not in OPEN]
    assert len(asked) > 100
    codes = {f"{method} {path}": stack.status(method, filled(path), body, user="") for method, path, body in asked}
    assert {name: code for name, code in codes.items() if code != 401} == {}


def test_the_models_pages_answer_to_no_method_that_changes_anything(stack: Any, replay: Demo) -> None:
    for path in ("/slipstream/models", f"/slipstream/models/{MODEL}", f"/slipstream/models/{MODEL}/restore/1"):
        assert {stack.status(method, path, {}) for method in ("POST", "PUT", "PATCH", "DELETE")} == {405}
