"""``slipstream export`` and ``slipstream import``, as they are typed on two sides."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from slipstream.cli.common import console
from slipstream.cli.main import app
from slipstream.errors import ArchiveError, SettingsError
from slipstream.services import start
from slipstream.settings import Settings, get_settings

from .conftest import NAME, Side

Cli = Callable[..., Result]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Run a command line on a side."""

    def run(where: Side, *words: str, **variables: str) -> Result:
        given = where.settings.model_dump(mode="json", exclude_none=True)
        for name in Settings.model_fields:
            monkeypatch.delenv(f"SLIPSTREAM_{name.upper()}", raising=False)
        for name in ("project", "home", "definitions", "mlflow_tracking_uri", "environment", "signing_key"):
            if name in given:
                monkeypatch.setenv(f"SLIPSTREAM_{name.upper()}", str(given[name]))
        if "trusted_keys" in given:
            monkeypatch.setenv("SLIPSTREAM_TRUSTED_KEYS", given["trusted_keys"])
        monkeypatch.setattr(console, "width", 160)
        get_settings.cache_clear()
        return CliRunner().invoke(app, list(words))

    yield run
    get_settings.cache_clear()


def test_a_version_goes_from_one_side_to_the_other(
    on: Cli, staging: Side, production: Side, promoted: str, tmp_path: Path
) -> None:
    file = tmp_path / "moved.slipstream"
    exported = on(staging, "export", f"{NAME}@champion", "--to", str(file), "--json")
    assert exported.exit_code == 0, exported.output
    told = json.loads(exported.stdout)
    assert (told["version"], told["environment"], told["verdict"]) == (promoted, "staging", "accepted")

    imported = on(production, "import", str(file), "--json")
    assert imported.exit_code == 0, imported.output
    found = json.loads(imported.stdout)
    assert (found["version"], found["new"], found["champion"]) == ("1", True, False)
    assert found["origin"]["archive"] == told["archive"]

    again = on(production, "import", str(file), "--promote")
    assert "moved version 1 was registered already: imported from version" in again.output
    assert "It is champion since" in again.output
    assert json.loads(on(production, "import", str(file), "--json").stdout)["champion"] is True
    shown = on(production, "champion", NAME).output
    assert "It was imported from version 1 of the staging registry" in shown
    assert "imported from version 1 of the staging registry" in on(production, "lineage", f"{NAME}@champion").output
    assert on(production, "ledger", NAME, "--json").exit_code == 0
    replayed = on(production, "replay", f"{NAME}@1")
    assert replayed.exit_code == 1
    assert "lives in the lake of that side" in " ".join(replayed.output.split())


def test_people_are_told_what_was_written_and_what_to_do(
    on: Cli, staging: Side, production: Side, promoted: str, tmp_path: Path
) -> None:
    file = tmp_path / "moved.slipstream"
    words = on(staging, "export", f"{NAME}@{promoted}", "--to", str(file)).output
    assert f"Wrote {file}: moved version 1 of the staging registry" in words
    assert "signed by the key" in words
    assert "airflow dags trigger moved.promotion" in on(production, "import", str(file)).output


def test_the_gate_of_production_is_asked_from_the_shell(
    on: Cli, full_production: Side, archive: Path, promoted: str
) -> None:
    assert on(full_production, "import", str(archive)).exit_code == 0
    judged = on(full_production, "run", "promotion", NAME, "--json")
    assert judged.exit_code == 0, (judged.output, judged.exception)
    assert json.loads(judged.stdout)[0]["outcome"] == "accepted"


def test_without_a_key_both_say_so_and_exit_with_2(
    on: Cli, staging: Side, production: Side, archive: Path, tmp_path: Path
) -> None:
    cases: tuple[tuple[Side, list[str], str], ...] = (
        (staging.having(signing_key=None), ["export", f"{NAME}@1", "--to", str(tmp_path / "x")], "SIGNING_KEY"),
        (production.having(trusted_keys=None), ["import", str(archive)], "TRUSTED_KEYS"),
        (production.having(trusted_keys=tmp_path / "absent"), ["import", str(archive)], "cannot be read"),
    )
    for where, command, word in cases:
        result = on(where, *command)
        assert result.exit_code == 2, result.output
        assert word in re.sub(r"[\s│]+", " ", result.output)
        assert "Traceback" not in result.output


def test_an_archive_that_is_refused_is_a_failure_and_names_the_reason(
    on: Cli, production: Side, archive: Path, tmp_path: Path
) -> None:
    changed = bytearray(archive.read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "changed").write_bytes(changed)
    result = on(production, "import", str(tmp_path / "changed"), "--json")
    assert isinstance(result.exception, ArchiveError)
    assert "Nothing was imported" in str(result.exception)


def test_status_says_which_side_it_is(on: Cli, production: Side) -> None:
    assert "Environment: prod" in on(production, "status").output
    assert json.loads(on(production, "status", "--json").stdout)["environment"] == "prod"


def test_production_does_not_start_the_embedded_services(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SLIPSTREAM_ENVIRONMENT is prod, and the embedded services are not for"):
        start(Settings(project=tmp_path, home=tmp_path / "home", environment="prod"))
    assert not (tmp_path / "home").exists()


def test_an_environment_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_ENVIRONMENT", "production")
    with pytest.raises(ValueError, match="'dev', 'staging' or 'prod'"):
        Settings()


def test_tasks_are_not_told_where_the_signing_key_is(tmp_path: Path) -> None:
    from slipstream.services.environment import _settings_as_variables

    told: dict[str, Any] = _settings_as_variables(
        Settings(home=tmp_path, signing_key=tmp_path / "k", environment="dev")
    )
    assert told["SLIPSTREAM_ENVIRONMENT"] == "dev"
    assert "SLIPSTREAM_SIGNING_KEY" not in told
