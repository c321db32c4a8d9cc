from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipstream.cli import main as cli
from slipstream.errors import FatalError, WriteConflictError

Cli = Callable[..., Any]
HEAVY = {"airflow", "duckdb", "evidently", "great_expectations", "mlflow", "pandas", "pyarrow", "sklearn"}


def test_the_command_starts_without_heavy_libraries() -> None:
    code = "import sys, slipstream.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert HEAVY.isdisjoint(loaded)


def test_the_version_is_printed(slipstream: Cli) -> None:
    assert slipstream("--version").output.startswith("slipstream 0.")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("champion", "arrival_delay"), 1),
        (("run", "ingestion", "weather", "--interval", "2013-06-01"), 75),
        (("champion", "no_such_model"), 1),
        (("chompion",), 2),
        (("lake", "log", "--json"), 0),
    ],
)
def test_the_exit_code_says_what_to_do(
    home: Path,
    words: tuple[str, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["slipstream", *words])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert (ended.value.code or 0) == status
    assert bool(capsys.readouterr().err.strip()) is (status != 0 and words != ("champion", "arrival_delay"))


@pytest.mark.parametrize(("error", "status"), [(FatalError("mend it"), 1), (WriteConflictError("try again"), 75)])
def test_an_error_of_ours_is_a_message_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == status
    assert capsys.readouterr().err.strip() == str(error)
