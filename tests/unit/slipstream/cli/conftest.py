"""A project of its own for each test: the example's definitions, three days of its batches, an empty lake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from slipstream.cli.common import console
from slipstream.cli.main import app
from slipstream.example import publish
from slipstream.settings import Settings, find_project, get_settings


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a landing folder with the weather and the aircraft of the first three days of 2013."""
    home = tmp_path_factory.mktemp("published")
    settings = Settings(home=home)
    publish(date(2013, 1, 1), date(2013, 1, 3), settings=settings, sources=("weather", "planes"))
    return Path(settings.landing)


@pytest.fixture
def home(tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in {"HOME": tmp_path / "home", "PROJECT": find_project(Path(__file__)), "LANDING": landing}.items():
        monkeypatch.setenv(f"SLIPSTREAM_{name}", str(value))
    monkeypatch.setattr(console, "width", 160)  # made at import, where another test may have been first
    get_settings.cache_clear()
    yield tmp_path / "home"
    get_settings.cache_clear()


@pytest.fixture
def slipstream(home: Path) -> Callable[..., Result]:
    """Run a command line; an error of ours comes out as ``result.exception``, as ``main`` gets it."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return run


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, landing: Path) -> Path:
    """Give a lake with three days of weather, ingested by ``slipstream run``."""
    home = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPSTREAM_HOME", str(home))
        patch.setenv("SLIPSTREAM_LANDING", str(landing))
        get_settings.cache_clear()
        result = CliRunner().invoke(
            app, ["run", "ingestion", "weather", "--interval", "2013-01-01/2013-01-04", "--json"]
        )
        get_settings.cache_clear()
    assert result.exit_code == 0, result.output
    return home / "lake"


@pytest.fixture
def lake(filled: Path, home: Path) -> Path:
    """Give a copy of the lake with three days of weather."""
    shutil.copytree(filled, home / "lake")
    return home / "lake"


@pytest.fixture
def answer(slipstream: Callable[..., Result]) -> Callable[..., Any]:
    """Run a command line with ``--json``, which must end well, and return what it prints."""

    def ask(*words: str) -> Any:
        result = slipstream(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return ask


@pytest.fixture
def enter(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let the commands work in the project of a shop, instead of the example's."""

    def into(shop: Any) -> None:
        values = {
            "HOME": shop.settings.home,
            "PROJECT": shop.settings.project,
            "DEFINITIONS": shop.definitions.root,
            "MLFLOW_TRACKING_URI": shop.settings.mlflow_tracking_uri,
        }
        for name, value in values.items():
            monkeypatch.setenv(f"SLIPSTREAM_{name}", str(value))
        get_settings.cache_clear()

    return into
