from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slipstream.settings import get_settings

Cli = Callable[..., Any]
POLICY = """
name: {name}
gate: {gate}
model:
  training: {{schedule: "0 0 */3 * *"}}
  retraining: {{reasons: []}}
"""


@pytest.fixture
def shop_home(stocked_shop: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the commands read the stocked shop's lake and definitions, with a home of the test's own."""
    settings = stocked_shop.settings
    values = {
        "HOME": tmp_path / "own",
        "PROJECT": settings.project,
        "DEFINITIONS": stocked_shop.definitions.root,
        "LAKE": settings.lake,
        "THREADS": 1,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SLIPSTREAM_{name}", str(value))
    get_settings.cache_clear()
    yield tmp_path / "own"
    get_settings.cache_clear()


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    file = tmp_path / "often.yaml"
    file.write_text(POLICY.format(name="often", gate="on"), encoding="utf-8")
    return ["churn", "--from", "2013-01-22", "--to", "2013-02-08", "--policy", "never", "--policy", str(file)]


def test_one_that_is_killed_goes_on_where_it_was(
    shop_home: Path, words: list[str], answer: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [sys.executable, "-c", "from slipstream.cli.main import main; main()", "backtest", *words]
    found = "*/versions/[!.]*/version.json"
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)) as process:
        until = time.monotonic() + 240
        while len(list((shop_home / "backtests/churn").glob(found))) < 2 and process.poll() is None:
            assert time.monotonic() < until, "no version was trained in time"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in (shop_home / "backtests/churn").glob(found)}
    assert 2 <= len(before) < 7
    resumed = answer("backtest", *words)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    monkeypatch.setenv("SLIPSTREAM_HOME", str(shop_home.parent / "fresh"))
    get_settings.cache_clear()
    assert told(answer("backtest", *words)) == told(resumed)


def told(study: dict[str, Any]) -> list[Any]:
    """Return what does not depend on how long anything took."""
    return [
        (run["policy"], run["all"]["log_loss"], [(each["at"], each["outcome"]) for each in run["trainings"]])
        for run in study["runs"]
    ]


def test_it_prints_months_sums_and_where_the_pictures_are(shop_home: Path, words: list[str], slipstream: Cli) -> None:
    result = slipstream("backtest", *words)
    assert result.exit_code == 0
    assert "never, gate off, by month" in result.stdout
    assert "2013-01" in result.stdout
    assert "Over the whole time" in result.stdout
    folder = Path(result.stdout.strip().splitlines()[-1].partition(": ")[2])
    assert sorted(path.name for path in folder.iterdir()) == ["curves.png", "report.html", "result.json"]
    assert json.loads((folder / "result.json").read_text(encoding="utf-8"))["model"] == "churn"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: often\ngate: maybe\n", "gate: Wanted one of on, off, both; found 'maybe'"),
        ("name: often\nmodel: {trainning: {}}\n", "Did you mean 'training'?"),
        ("name: often\nmodel: {training: {schedule: hourly}}\n", "cron expression of five fields"),
        ("name: often\nmodel: {evaluation: {window: 400d}}\n", "Wanted less than training.window"),
        ("name: [", "not readable YAML"),
        ("", "found nothing"),
    ],
)
def test_a_policy_that_is_wrong_is_told_in_full(
    shop_home: Path, slipstream: Cli, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text, encoding="utf-8")
    result = slipstream("backtest", "churn", "--from", "2013-01-22", "--to", "2013-02-08", "--policy", str(file))
    assert result.exit_code == 1
    assert said in str(result.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "2013-02-08", "--to", "2013-01-22"], "--to is the last day"),
        (["--from", "2013-01-22", "--to", "2013-02-08", "--policy", "montly"], "Did you mean 'monthly'?"),
        (["--from", "2013-01-22", "--to", "2013-02-08", "--policy", "never", "--policy", "never"], "Two policies"),
    ],
)
def test_what_cannot_be_asked_is_refused(shop_home: Path, slipstream: Cli, words: list[str], said: str) -> None:
    result = slipstream("backtest", "churn", *words)
    assert result.exit_code in (1, 2)
    assert said in f"{result.output} {result.exception}"
