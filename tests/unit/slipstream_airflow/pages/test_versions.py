"""A version's report and card are for those who may see the DAG that decides about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi import HTTPException
from fastapi.testclient import TestClient

from slipstream.promotion import evaluate_gate
from slipstream.settings import get_settings
from slipstream_airflow.pages import versions
from slipstream_airflow.pages.app import make_app

FOLDER = "/models/m/versions/1"


@pytest.fixture
def judged(shop: Any, three_versions: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Give name and version of a model that was judged; the settings of the process name its MLflow."""
    model, found = three_versions
    evaluate_gate(model, shop.compare(model, challenger=found[2], champion=found[0]), settings=shop.settings)
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_TRACKING_URI", shop.settings.mlflow_tracking_uri)
    get_settings.cache_clear()
    yield model.name, found[2]
    get_settings.cache_clear()


class Asked:
    """An auth manager that lets nobody, or everybody, see a DAG, and remembers which."""

    def __init__(self, *, allows: bool) -> None:
        self.allows = allows
        self.dags: list[str] = []

    def is_authorized_dag(self, *, details: Any, **_: Any) -> bool:
        self.dags.append(details.id)
        return self.allows


def client(monkeypatch: pytest.MonkeyPatch, *, allows: bool = True) -> tuple[TestClient, Asked]:
    """Return a client that is signed in, and the auth manager that it meets."""
    from airflow.api_fastapi.core_api import security

    asked = Asked(allows=allows)
    monkeypatch.setattr(security, "get_auth_manager", lambda: asked)
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda *_: None)
    app = make_app()
    app.dependency_overrides[get_user] = lambda: object()
    return TestClient(app, raise_server_exceptions=False), asked


@pytest.mark.parametrize("page", ["verdict", "card"])
def test_a_stranger_sees_neither(page: str) -> None:
    assert TestClient(make_app()).get(f"{FOLDER}/{page}").status_code == 401


@pytest.mark.parametrize("page", ["verdict", "card"])
def test_who_may_not_see_the_dag_sees_neither(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, asked = client(monkeypatch, allows=False)
    assert browser.get(f"{FOLDER}/{page}").status_code == 403
    assert asked.dags == ["m.promotion"]


@pytest.mark.parametrize(("page", "words"), [("verdict", "What was compared"), ("card", "Intended use")])
def test_who_may_sees_a_page_that_can_do_nothing(
    page: str, words: str, judged: tuple[str, str], airflow_tables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, asked = client(monkeypatch)
    name, version = judged
    answer = browser.get(f"/models/{name}/versions/{version}/{page}")
    assert answer.status_code == 200, answer.text
    assert words in answer.text
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert asked.dags == [f"{name}.promotion"]


def test_a_version_that_is_not_there_is_not_found_and_the_answer_says_what_to_do(
    judged: tuple[str, str], airflow_tables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client(monkeypatch)[0].get(f"/models/{judged[0]}/versions/999999/verdict")
    assert answer.status_code == 404
    assert "Name one of these" in answer.json()["detail"]


def test_a_version_that_was_not_judged_yet_says_what_to_do(
    shop: Any, airflow_tables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shop.model("regression")
    found = shop.train(model)
    monkeypatch.setattr("slipstream_airflow.hooks.tracking.MlflowHook.tracking_uri", shop.settings.mlflow_tracking_uri)
    with pytest.raises(HTTPException, match=r"not judged yet\. Trigger") as error:
        versions._read(model.name, found.version, "verdict")
    assert error.value.status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/models/m/versions/1/secret",
        "/models/m/versions/1/..%2f..%2fcard",
        "/models/m/versions/..%2f1/card",
        "/models/m/versions/../../reports/card",
        "/models/..%2fm/versions/1/card",
        "/models/%2e%2e/versions/1/card",
        "/models/M/versions/1/card",
        "/models/m/versions/1%00/card",
        "/models/m/versions/latest/card",
        "/models/m/versions/1/card/../verdict.json",
        "/models/m' or '1'='1/versions/1/card",
    ],
)
def test_no_other_path_leads_anywhere(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_read", lambda *_: pytest.fail("something was read"))
    assert client(monkeypatch)[0].get(path).status_code in (404, 422)
