"""A small shop behind a real Airflow, with forty days of history made by the library, and a real Chromium before it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from slipstream import promotion, services
from slipstream.definitions import Model
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.settings import Settings, get_settings

PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
MODEL, TRAINED = "churn", 12
PATIENCE = 180_000  # milliseconds; the first page of a server that has just started is the slowest


def _unit_tests() -> ModuleType:
    """Return the shop of the unit tests; test folders are no packages, so it is loaded from its file."""
    path = PROJECT / "tests" / "unit" / "conftest.py"
    spec = importlib.util.spec_from_file_location("slipstream_tests_shop", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Site:
    """A running Airflow with the shop's DAGs, and what a test asks of it.

    Attributes:
        complaints: What the browser wrote to its console as errors, with the address that it came from.
    """

    url: str
    shop: Any
    model: Model
    passwords: dict[str, str]
    complaints: list[str] = field(default_factory=list)

    def promote(self, version: str) -> None:
        """Write to the ledger that a version was promoted, on a verdict like its last one."""
        lake, settings = self.shop.lake, self.shop.settings
        row = next(each for each in reversed(promotion.ledger(MODEL, lake=lake)) if each.challenger == version)
        verdict = promotion.Verdict.from_dict(row.verdict)  # type: ignore[arg-type]
        other = replace(verdict, outcome="accepted", comparison=replace(verdict.comparison, digest="other rows"))
        promotion.promote(MODEL, other, lake=lake, settings=settings, run=Run.local("ada"))

    def champion(self) -> str | None:
        row = promotion.champion(MODEL, lake=self.shop.lake)
        return row.version if row else None


def stock(unit: ModuleType, settings: Settings) -> Any:
    """Fill a lake with the shop's forty days, and let a model live in it: two versions, predictions, monitoring."""
    from slipstream.monitoring import monitor
    from slipstream.scoring import score

    definitions = unit._definitions(settings.definitions)
    lake = Lake.from_settings(settings)
    unit.fill_lake(definitions, lake, settings, unit.shop_rows())
    shop = unit.Shop(definitions, lake, settings, Run(dag_id="shop", run_id="manual", task_id="task", by="ada"))
    model = definitions.model(MODEL)
    how = {**shop.source, "run": shop.run}
    first = unit.FIRST + timedelta(days=TRAINED)
    shop.train(model, first)
    assert shop.settle(model, shop.judge(model)).action == "promoted"
    for number in range(TRAINED, unit.DAYS):
        day = Interval(unit.FIRST + timedelta(days=number), unit.FIRST + timedelta(days=number + 1))
        score(model, day, **how)
        if number > TRAINED + 7:
            monitor(model, day, **how)
    shop.train(model, unit.NOW)
    shop.settle(model, shop.judge(model))
    return shop


def start_rollbacks(settings: Settings) -> None:
    """Let the scheduler run the DAG that takes a promotion back; it is paused, as every new DAG is."""
    prefix, environment = services.airflow_command(settings)
    command = [*prefix, "dags", "unpause", "--yes", f"{MODEL}.rollback"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start everything, for all tests of the session; its variables are this process's too while it runs."""
    from slipstream.services.ports import free_port

    home = tmp_path_factory.mktemp("browser") / "slip"
    port = free_port()
    chosen: dict[str, Any] = {
        "home": home,
        "project": PROJECT,
        "definitions": home.parent / "include",
        "airflow_port": port,
        "mlflow_port": free_port(taken=frozenset({port})),
    }
    before = dict(os.environ)
    os.environ.update({f"SLIPSTREAM_{name.upper()}": str(value) for name, value in chosen.items()})
    get_settings.cache_clear()
    settings, unit = Settings(**chosen), _unit_tests()
    unit._definitions(settings.definitions)
    try:
        running = services.start(settings)
        shop = stock(unit, settings)
        passwords = home / "airflow" / "simple_auth_manager_passwords.json.generated"
        known = json.loads(passwords.read_text(encoding="utf-8"))
        start_rollbacks(settings)
        yield Site(running.airflow_url, shop, shop.definitions.model(MODEL), known)
    finally:
        services.stop(settings)
        os.environ.clear()
        os.environ.update(before)
        get_settings.cache_clear()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Start the system's Chromium; Playwright would otherwise want one that it downloads."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def stranger(chromium: Any) -> Iterator[Callable[[], Any]]:
    """Give a function that opens a tab of a browser of its own, in which nobody is signed in."""
    contexts = []

    def enter() -> Any:
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        return context.new_page()

    yield enter
    for context in contexts:
        context.close()


@pytest.fixture
def sign_in(site: Site, stranger: Callable[[], Any]) -> Callable[[str], Any]:
    """Give a function that signs a user in, in a browser of its own, and returns the tab."""

    def enter(user: str) -> Any:
        page = stranger()
        page.goto(f"{site.url}/")
        page.fill("input[name=username]", user)
        page.fill("input[name=password]", site.passwords[user])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda address: "/auth/" not in address)
        return page

    return enter


@pytest.fixture
def tab(site: Site, sign_in: Callable[[str], Any]) -> Any:
    """Give the administrator's tab; what it writes to its console as errors is kept."""
    page = sign_in("admin")
    site.complaints.clear()
    page.on("console", lambda said: said.type == "error" and site.complaints.append(f"{said.text} {said.location}"))
    page.on("pageerror", lambda error: site.complaints.append(str(error)))
    return page


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Wait until a condition holds, with a limit: ``wait_for(condition, 60, "what was waited for")``."""
    from slipstream.services.processes import wait_until

    def wait(condition: Callable[[], bool], limit: float, what: str) -> None:
        assert wait_until(condition, limit, pause=0.2), f"not within {limit} s: {what}"

    return wait
