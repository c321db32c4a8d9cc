"""The Models page in a real Chromium, in a real Airflow: what a person does with it, and pictures for the docs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(900)
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
LIMIT = 180_000


def frame(tab: Any, title: str = "Models") -> Any:
    """Return the page inside Airflow's frame."""
    return tab.frame_locator(f"iframe[title='{title}']")


def picture(tab: Any, name: str) -> None:
    """Keep a picture for the docs where SLIPSTREAM_PICTURES asks for it; the docs' own change only then."""
    if os.environ.get("SLIPSTREAM_PICTURES"):
        tab.screenshot(path=str(PICTURES / f"{name}.png"))


def open_models(site: Any, tab: Any) -> Any:
    tab.get_by_role("link", name="Models", exact=True).click()
    tab.wait_for_url(lambda address: "/plugin/models" in address)
    page = frame(tab)
    page.get_by_role("heading", name="Models").wait_for()
    return page


def theme(tab: Any, name: str) -> None:
    """Choose Airflow's theme as its switch does, and wait until the page inside follows."""
    tab.evaluate("name => { localStorage.setItem('theme', name); location.reload(); }", name)
    frame(tab).locator(f"html[data-theme={name}]").wait_for()


def test_a_stranger_is_sent_to_the_login(site: Any, stranger: Any) -> None:
    page = stranger()
    answer = page.goto(f"{site.url}/slipstream/models")
    assert answer.status == 401
    page.goto(f"{site.url}/plugin/models")
    page.wait_for_url(lambda address: "/auth/login" in address)


def test_a_person_opens_a_model_and_one_of_its_reports(site: Any, tab: Any) -> None:
    page = open_models(site, tab)
    page.get_by_role("link", name="churn").wait_for()
    picture(tab, "models-overview")
    page.get_by_role("link", name="churn").click()
    page.get_by_role("heading", name="Last verdict").wait_for()
    tab.wait_for_url(lambda address: address.endswith("/plugin/models/slipstream/models/churn"))
    picture(tab, "models-model")
    page.locator("svg a").last.click()
    report = page.frame_locator("iframe[title='Drift report']")
    report.get_by_text("Drift in column 'score'").wait_for(timeout=LIMIT)
    assert report.locator("body").evaluate("() => window.origin") == "null", "the report shares no origin with Airflow"
    assert site.complaints == []


def test_a_keyboard_alone_leads_to_a_model(site: Any, tab: Any) -> None:
    page = open_models(site, tab)
    link = page.get_by_role("link", name="churn")
    link.wait_for()
    page.locator("body").evaluate("body => { body.tabIndex = -1; body.focus(); }")
    for _ in range(10):
        tab.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    tab.keyboard.press("Enter")
    page.get_by_role("heading", name="Last verdict").wait_for()


@pytest.mark.parametrize("name", ["dark", "light"])
def test_the_page_follows_airflows_theme_not_the_systems(site: Any, tab: Any, name: str) -> None:
    open_models(site, tab)
    theme(tab, name)
    inside = frame(tab).locator("body")
    colour = inside.evaluate("body => getComputedStyle(body).backgroundColor")
    assert colour == {"dark": "rgb(17, 17, 19)", "light": "rgb(255, 255, 255)"}[name]
    if name == "dark":
        frame(tab).get_by_role("link", name="churn").click()
        frame(tab).get_by_role("heading", name="Drift, feature by window").scroll_into_view_if_needed()
        picture(tab, "models-dark")
    assert site.complaints == []


@pytest.mark.parametrize("path", ["/slipstream/models", "/slipstream/models/churn"])
def test_on_a_narrow_window_nothing_runs_out_of_it(site: Any, tab: Any, path: str) -> None:
    tab.set_viewport_size({"width": 360, "height": 800})
    tab.goto(f"{site.url}{path}")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    if path.endswith("churn"):
        picture(tab, "models-narrow")


def test_a_promotion_changes_the_champion_and_the_form_takes_it_back(site: Any, tab: Any, wait_for: Any) -> None:
    before = site.champion()
    other = "1" if before == "2" else "2"
    if before != "2":
        site.promote("2")
        before, other = "2", "1"
    page = open_models(site, tab)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="churn"))
    row.get_by_text(f"version {before}").wait_for()
    page.get_by_role("link", name="churn").click()
    page.get_by_role("link", name=f"to version {other}").first.click()
    page.get_by_label("Reason, in a sentence").fill("the storm was over, said the browser")
    page.get_by_role("button", name=f"Roll back to version {other}").click()
    page.get_by_text("Started:").wait_for()
    wait_for(lambda: site.champion() == other, 300, "the rollback")
    page.get_by_role("link", name="Models").click()
    row.get_by_text(f"version {other}").wait_for()
    site.promote("2")
    tab.reload()
    row.get_by_text("version 2").wait_for()
    assert site.complaints == []


def test_each_dag_of_a_model_has_a_tab_with_its_page(site: Any, tab: Any) -> None:
    tab.goto(f"{site.url}/dags/churn.training")
    tab.get_by_role("link", name="Model", exact=True).click()
    frame(tab, "Model").get_by_role("heading", name="Last verdict").wait_for()
    assert site.complaints == []


def test_a_link_to_a_dag_leads_out_of_the_frame(site: Any, tab: Any) -> None:
    page = open_models(site, tab)
    page.get_by_role("link", name="churn").click()
    page.get_by_role("link", name="Promotion", exact=True).click()
    tab.wait_for_url(lambda address: address.endswith("/dags/churn.promotion"))


def test_who_may_not_start_a_rollback_is_told_so(site: Any, sign_in: Any) -> None:
    page = sign_in("viewer")
    if site.champion() != "2":
        site.promote("2")
    page.goto(f"{site.url}/slipstream/models/churn/restore/1")
    page.get_by_label("Reason, in a sentence").fill("a viewer may not do this")
    page.get_by_role("button", name="Roll back to version 1").click()
    page.get_by_text("Airflow refused (403)").wait_for()
