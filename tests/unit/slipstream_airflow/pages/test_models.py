"""The Models page is for those who may see the DAGs, shows what is true, and escapes what it is given."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI
from fastapi.testclient import TestClient

from slipstream.overview.cache import SMALL
from slipstream.settings import get_settings
from slipstream_airflow.pages import access, asking, models, warming
from slipstream_airflow.pages.app import make_app
from slipstream_airflow.pages.mounting import external_views, prefix
from slipstream_airflow.pages.warming import refresh
from slipstream_airflow.plugin import SlipstreamPlugin

EVIL = "<script>alert('x')</script>"
ROUTES = {
    "/models": None,
    "/models/m": "m.promotion",
    "/models/m/lineage/1": "m.promotion",
    "/models/m/restore/1": "m.promotion",
    "/models/m/show/verdict/1": "m.promotion",
    "/models/m/show/drift/2013-01-01T000000Z": "m.promotion",
    "/models/m/versions/1/card": "m.promotion",
    "/reports/m/2013-01-01T000000Z/drift.html": "m.promotion",
    "/dags/m.training": "m.training",
}


class Auth:
    """An auth manager whose user may see some DAGs, and that remembers which it was asked about."""

    def __init__(self, allowed: set[str] | None = None) -> None:
        self.allowed = allowed
        self.dags: list[str] = []

    def is_authorized_dag(self, *, details: Any, **_: Any) -> bool:
        self.dags.append(details.id)
        return self.allowed is None or details.id in self.allowed

    def filter_authorized_dag_ids(self, *, dag_ids: set[str], **_: Any) -> set[str]:
        return dag_ids if self.allowed is None else dag_ids & self.allowed


@pytest.fixture
def site(shop: Any, airflow_tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a model in a lake of the test's own, and ``get(path, allowed)``: a signed-in user's browser."""
    from airflow.api_fastapi.core_api import security

    model = shop.model()
    definitions = shop.definitions
    shown = type(definitions)(
        **{**definitions.__dict__, "models": {model.name: model, "other": model.model_copy(update={"name": "other"})}}
    )
    monkeypatch.setattr(models, "sound_definitions", lambda: shown)
    for name in ("mlflow_tracking_uri", "home", "project", "lake", "reports"):
        monkeypatch.setenv(f"SLIPSTREAM_{name.upper()}", str(getattr(shop.settings, name)))
    get_settings.cache_clear()
    monkeypatch.setattr(asking.asking, "wait", 60.0)  # the first question opens a store
    app = make_app()
    app.dependency_overrides[get_user] = lambda: object()
    browser = TestClient(app)

    def get(path: str, allowed: set[str] | None = None) -> Any:
        for module in (security, access):
            monkeypatch.setattr(module, "get_auth_manager", lambda: Auth(allowed))
        return browser.get(path)

    yield type("Site", (), {"model": model, "get": staticmethod(get), "here": f"/models/{model.name}"})
    get_settings.cache_clear()


def test_every_route_is_tested_below() -> None:
    shapes = [re.compile(re.sub(r"\{[^}]+\}", ".+", route.path)) for route in make_app().routes]
    unseen = [shape.pattern for shape in shapes if not any(shape.fullmatch(path) for path in ROUTES)]
    assert not unseen


@pytest.mark.parametrize("path", ROUTES)
def test_a_stranger_sees_no_page(path: str) -> None:
    assert TestClient(make_app()).get(path).status_code == 401


@pytest.mark.parametrize("path", [path for path, dag in ROUTES.items() if dag])
def test_who_may_not_see_the_dag_sees_no_page_of_its_model(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.core_api import security

    auth = Auth(set())
    monkeypatch.setattr(security, "get_auth_manager", lambda: auth)
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda *_: None)
    app = make_app()
    app.dependency_overrides[get_user] = lambda: object()
    assert TestClient(app).get(path).status_code == 403
    assert auth.dags == [ROUTES[path]]


def test_the_overview_leaves_out_what_its_reader_may_not_see(site: Any) -> None:
    assert "/slipstream/models/other" in site.get("/models").text
    seen = site.get("/models", {f"{site.model.name}.promotion"}).text
    assert f"/slipstream{site.here}" in seen
    assert "/slipstream/models/other" not in seen
    assert "You may see none of the 2 models" in site.get("/models", set()).text


def test_a_dags_tab_is_not_a_way_around_the_right_to_see_its_model(site: Any) -> None:
    training = f"{site.model.name}.training"
    assert site.get(f"/dags/{training}", {training}).status_code == 403
    assert "Last verdict" in site.get(f"/dags/{training}").text


def test_the_tab_of_a_source_lists_the_models_that_are_made_with_it(site: Any) -> None:
    found = site.get("/dags/orders.ingestion").text
    assert "Models that are made with what orders.ingestion writes." in found
    assert f"/slipstream{site.here}" in found
    assert "/slipstream/models/other" in site.get("/dags/order_facts.features").text
    assert "No model is made with what lake.maintenance writes." in site.get("/dags/lake.maintenance").text


def test_before_anything_was_done_each_part_says_what_to_run(site: Any) -> None:
    answer = site.get(site.here)
    assert answer.status_code == 200
    name = site.model.name
    for words in (
        f"slipstream run training {name}",
        "No verdict yet.",
        "No window of these days has labels enough to be judged.",
        "No window of these days was compared with the reference.",
        "Nothing was scored in these days.",
        f"Trigger <code>{name}.training</code>",
    ):
        assert words in answer.text


def test_a_model_with_a_history_is_told_with_units_windows_and_links(site: Any, history: Any) -> None:
    model = site.model
    history.decided(model, "promoted", "1")
    history.decided(model, "promoted", "2")
    for number in range(10, 20):
        history.scored(model, number)
        history.watched(model, number, drift={"order_facts__size": number / 50}, loss=0.6 + number / 100)
    page = site.get(f"{site.here}?days=30").text
    for words in (
        "version 2, since",
        "log loss in nats, by the end of its window, 2013-01-01 to 2013-01-21 UTC",
        "a column a window, 2013-01-01 to 2013-01-21 UTC",
        "Predictions a day, 2013-01-01 to 2013-01-21 UTC",
        f"/slipstream{site.here}/show/drift/2013-01-11T000000Z",
        f"/slipstream{site.here}/restore/1",
        f"/dags/{model.name}.training",
        '<strong aria-current="true">30 days</strong>',
    ):
        assert words in page
    assert "restore/2" not in page, "nobody rolls back to the champion"


def test_a_promotion_shows_at_once(site: Any, history: Any) -> None:
    history.decided(site.model, "promoted", "1")
    assert "version 1<br>" in site.get("/models").text
    history.decided(site.model, "promoted", "2")
    assert "version 2<br>" in site.get("/models").text


def test_whatever_the_lake_holds_is_escaped(site: Any, history: Any) -> None:
    model = site.model
    check = {"name": EVIL, "outcome": EVIL, "sentence": EVIL, "numbers": {}}
    history.decided(model, "promoted", EVIL, by=EVIL, reason=EVIL, checks=[check])
    history.decided(model, "promoted", "2", by=EVIL, reason='"><img src=x onerror=alert(1)>')
    history.scored(model, 10)
    history.watched(model, 10, drift={EVIL: 0.5}, version=EVIL, note=EVIL)
    for path in ("/models", site.here, f"/dags/{model.name}.training", f"{site.here}/restore/1"):
        page = site.get(path).text
        assert page.count("<script") <= 1, f"{path} has another script than ours"
        assert EVIL not in page
        assert "<img" not in page
    assert "&lt;script&gt;" in site.get(site.here).text


def test_a_page_may_run_and_load_only_what_is_its_own(site: Any) -> None:
    from slipstream_airflow.pages.rendering import headers

    answer = site.get("/models")
    policy = answer.headers["content-security-policy"]
    assert policy == headers()["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=|\son\w+=|https?://(?!www\.w3\.org)", answer.text)


def test_going_back_is_offered_to_earlier_champions_alone(site: Any, history: Any) -> None:
    assert site.get(f"{site.here}/restore/1").status_code == 404
    history.decided(site.model, "promoted", "1")
    history.decided(site.model, "promoted", "2")
    found = site.get(f"{site.here}/restore/1")
    assert found.status_code == 200
    assert f'data-runs="/api/v2/dags/{site.model.name}.rollback/dagRuns"' in found.text
    assert 'value="1" readonly' in found.text
    assert site.get(f"{site.here}/restore/2").status_code == 404
    assert site.get(f"{site.here}/restore/3").status_code == 404


def test_a_report_is_shown_in_a_frame_that_can_do_nothing_else(site: Any, shop: Any) -> None:
    folder = Path(shop.settings.reports) / site.model.name / "2013-01-01T000000Z"
    folder.mkdir(parents=True)
    (folder / "drift.html").write_text("<p>drift</p>", encoding="utf-8")
    shown = site.get(f"{site.here}/show/drift/2013-01-01T000000Z").text
    address = f"/reports/{site.model.name}/2013-01-01T000000Z/drift.html"
    assert f'<iframe src="/slipstream{address}" sandbox="allow-scripts"' in shown
    assert site.get(address).headers["content-security-policy"] == "sandbox allow-scripts"
    missing = site.get(f"{site.here}/show/drift/2013-01-02T000000Z")
    assert (missing.status_code, "No such report was kept." in missing.text) == (404, True)
    assert 'sandbox=""' in site.get(f"{site.here}/show/card/1").text


def test_the_lineage_of_a_version_goes_down_to_its_tables(site: Any, shop: Any) -> None:
    version = shop.train(site.model).version
    found = site.get(f"{site.here}/lineage/{version}")
    assert found.status_code == 200, found.text
    assert "<code>raw/orders</code> at version 3" in found.text
    assert site.get(f"{site.here}/lineage/999").status_code == 404


def test_an_imported_version_says_where_it_comes_from(site: Any, shop: Any, history: Any) -> None:
    from slipstream.promotion import Registry
    from slipstream.promotion.origin import FOLDER, Origin

    found, registry = shop.train(site.model), Registry.from_settings(shop.settings)
    origin = Origin("0123456789ab", "staging", EVIL, "a" * 64, "b" * 64, "accepted")
    for name, value in origin.as_tags().items():
        registry.set_version_tag(site.model.name, found.version, name, value)
    registry.log_document(found.run_id, {f"{FOLDER}/card.html": "<html><body>Theirs</body></html>"})
    history.decided(site.model, "promoted", found.version)
    card = site.get(f"{site.here}/versions/{found.version}/card").text
    pages = [site.get(path).text for path in (site.here, f"{site.here}/lineage/{found.version}")]
    for text in (*pages, card):
        assert "imported from version &lt;script&gt;" in text
        assert "of the staging registry 0123456789ab" in text
        assert EVIL not in text
    assert all("the tables are in its lake" in text for text in pages)
    assert "Theirs" in card


@pytest.mark.parametrize(
    "path",
    [
        "/models/M",
        "/models/..%2fm",
        "/models/m/show/secret/1",
        "/models/m/show/drift/../../x",
        "/models/m/show/drift/2013",
        "/models/m/show/card/latest",
        "/models/m/lineage/x",
        "/models/m/restore/-1",
        "/models/unknown",
        "/models/unknown?days=0",
        "/models/unknown?days=nan",
    ],
)
def test_no_other_path_leads_anywhere(site: Any, path: str) -> None:
    assert site.get(path).status_code in (404, 422)


def test_a_silent_mlflow_costs_a_page_its_challengers_and_nothing_else(
    site: Any, history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from slipstream import overview

    silent = threading.Event()
    monkeypatch.setattr(overview, "read_aliases", lambda _: silent.wait(60))
    asked = asking.Asking(wait=0.05, first_wait=0.05, pause=60)
    monkeypatch.setattr(models, "asking", asked)
    history.decided(site.model, "promoted", "1")
    try:
        found = site.get("/models")
        assert found.status_code == 200
        assert "MLflow does not answer" in found.text
        assert "version 1<br>" in found.text
        assert "MLflow does not answer" in site.get(site.here).text
    finally:
        silent.set()


def test_what_was_read_of_a_table_is_not_read_again(site: Any, history: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    history.decided(site.model, "promoted", "1")
    site.get("/models")
    monkeypatch.setattr("slipstream.lake.tables.Table.read", lambda *_, **__: pytest.fail("a table was read again"))
    assert "version 1<br>" in site.get("/models").text
    assert len(SMALL) <= SMALL.limit


def test_what_changed_is_read_ahead_so_that_nobody_waits_for_it(
    site: Any, history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.decided(site.model, "promoted", "1")
    history.scored(site.model, 3)
    history.watched(site.model, 3)
    assert refresh()
    with monkeypatch.context() as patch:
        patch.setattr("slipstream.lake.snapshots.Snapshots.newest", lambda _: pytest.fail("a table was opened"))
        assert "2013-01-04" in site.get("/models").text
    monkeypatch.setattr(models.Here, "lake", property(lambda _: 1 / 0))
    assert not refresh()


def test_who_decided_is_a_name_or_a_link_to_the_run(site: Any, history: Any) -> None:
    dag = f"{site.model.name}.promotion"
    history.decided(site.model, "promoted", "1", by=f"{dag}/manual__2013-01-20T00:00:00+00:00")
    history.decided(site.model, "promoted", "2", by=f"{dag}/{EVIL}")
    history.decided(site.model, "rolled_back", "1", by="ada/night shift")
    text = site.get(site.here).text
    link = f'href="/dags/{dag}/runs/manual__2013-01-20T00%3A00%3A00%2B00%3A00"'
    assert f'<a data-out {link} title="{dag}/manual__2013-01-20T00:00:00+00:00">{dag}</a>' in text
    assert "<span>ada/night shift</span>" in text
    assert EVIL not in text


@pytest.mark.filterwarnings("ignore:Exception in thread slipstream-warming")  # it is the test that ends it
def test_the_overview_is_read_when_the_server_starts_and_before_anybody_asks(monkeypatch: Any) -> None:
    read = threading.Event()

    def once() -> None:
        read.set()
        raise SystemExit  # ends the thread

    monkeypatch.setattr(warming, "refresh", once)
    monkeypatch.setattr(warming, "_started", threading.Event())
    app = FastAPI()
    (middleware,) = SlipstreamPlugin.fastapi_root_middlewares
    app.add_middleware(middleware["middleware"])  # as Airflow does it
    assert not read.is_set()
    with TestClient(app):
        assert read.wait(60)


def test_airflow_is_told_of_a_page_in_the_navigation_and_a_tab_on_dags() -> None:
    nav, tab = external_views()
    assert (nav["href"], nav["destination"], nav["url_route"]) == ("/slipstream/models", "nav", "models")
    assert (tab["href"], tab["destination"], tab["url_route"]) == ("/slipstream/dags/{DAG_ID}", "dag", "model")


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("", "/slipstream"),
        (None, "/slipstream"),
        ("http://h:8080/", "/slipstream"),
        ("https://h/airflow/", "/airflow/slipstream"),
    ],
)
def test_pages_follow_airflow_below_a_path(base_url: str | None, expected: str) -> None:
    assert prefix(base_url) == expected
