from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipstream.errors import NotFoundError
from slipstream.settings import get_settings

Cli = Callable[..., Any]


@pytest.fixture
def empty_landing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLIPSTREAM_LANDING", str(tmp_path / "landing folder"))
    get_settings.cache_clear()
    return tmp_path / "landing folder"


def test_a_day_is_published_once(slipstream: Cli, answer: Cli, empty_landing: Path) -> None:
    days = ("--from", "2013-01-01", "--to", "2013-01-01")

    first = answer("example", "publish", *days)
    again = slipstream("example", "publish", *days)

    assert (first["files"], first["written"]) == (5, 5)
    assert sum(path.is_file() for path in empty_landing.rglob("*")) == 5
    assert "0 written, 5 as they were" in again.output


@pytest.mark.parametrize(("first", "last"), [("2013-01-02", "2013-01-01"), ("2012-12-01", "2012-12-02")])
def test_days_that_the_example_does_not_have_are_refused(slipstream: Cli, home: Path, first: str, last: str) -> None:
    result = slipstream("example", "publish", "--from", first, "--to", last)

    assert isinstance(result.exception, NotFoundError)
    assert "2013-01-01 to 2014-01-01" in str(result.exception)


def test_a_day_that_is_none_is_wrong_usage(slipstream: Cli) -> None:
    assert slipstream("example", "publish", "--from", "2013-02-30", "--to", "2013-03-01").exit_code == 2
    assert slipstream("example", "publish").exit_code == 2
