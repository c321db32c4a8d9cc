"""Reports are for signed-in users, and nothing else can be read that way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from slipstream.settings import get_settings
from slipstream_airflow.pages.app import make_app
from slipstream_airflow.pages.reports import read_report


@pytest.fixture(autouse=True)
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "reports"
    (folder / "m").mkdir(parents=True)
    (folder / "m" / "drift.html").write_text("<p>drift</p>", encoding="utf-8")
    (tmp_path / "secret.html").write_text("secret", encoding="utf-8")
    monkeypatch.setenv("SLIPSTREAM_REPORTS", str(folder))
    get_settings.cache_clear()
    yield folder
    get_settings.cache_clear()


def test_a_stranger_reads_nothing() -> None:
    assert TestClient(make_app()).get("/reports/m/drift.html").status_code == 401


def test_a_signed_in_user_reads_a_report_that_cannot_act_for_him() -> None:
    from airflow.api_fastapi.core_api.security import get_user

    from slipstream_airflow.pages.access import may_see_model

    app = make_app()
    app.dependency_overrides |= {get_user: lambda: object(), may_see_model: lambda: None}
    client = TestClient(app)
    answer = client.get("/reports/m/drift.html")
    assert (answer.status_code, answer.text) == (200, "<p>drift</p>")
    assert answer.headers["content-security-policy"] == "sandbox allow-scripts"
    assert client.get("/reports/m/none.html").status_code == 404


@pytest.mark.parametrize(
    "path", ["../secret.html", "m/../../secret.html", "/etc/passwd", "m//drift.html", "m", "", "m/..", "\\x.html"]
)
def test_nothing_outside_the_reports_can_be_read(path: str) -> None:
    assert read_report(path) is None
