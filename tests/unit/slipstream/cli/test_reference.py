"""The reference pages are written by hand; these hold them to the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from slipstream.cli.main import app
from slipstream.settings import Settings

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


def commands(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each command that does something, with its options and arguments as they are typed."""
    below = getattr(command, "commands", {})
    for part, found in below.items():
        yield from commands(found, f"{name} {part}")
    if not below or name == "slipstream":
        taken = [each for each in command.params if each.name != "help"]
        yield name, {max(each.opts, key=len) if each.opts[0].startswith("-") else shown(each) for each in taken}


def shown(argument: Any) -> str:
    return str(argument.metavar or argument.name).strip("{}[]").upper()


def sections(page: str) -> dict[str, set[str]]:
    """Return, by heading, what stands in the first column of the table below it."""
    found = {}
    for part in re.split(r"^#{2,3} ", page, flags=re.M)[1:]:
        heading, _, text = part.partition("\n")
        found[heading] = set(re.findall(r"^\| `([^`]+)` \|", text, flags=re.M))
    return {heading: rows for heading, rows in found.items() if heading.startswith("slipstream")}


def test_the_page_of_commands_has_every_command_and_option_and_no_other() -> None:
    written = sections((REFERENCE / "cli.md").read_text(encoding="utf-8"))

    real = dict(commands(get_command(app), "slipstream"))

    assert len(real) > 10
    assert set(written) == set(real)
    wrong = {name: written[name] ^ real[name] - {"--help"} for name in real if written[name] - {"--help"} != real[name]}
    assert wrong == {}


@pytest.mark.parametrize("command", sorted(dict(commands(get_command(app), "slipstream"))))
def test_every_option_says_what_it_is_for(command: str) -> None:
    found: Any = get_command(app)
    for word in command.split()[1:]:
        found = found.commands[word]

    assert found.help or found.callback.__doc__
    assert [each.name for each in found.params if not getattr(each, "help", None)] == []


def test_the_page_of_settings_has_every_setting_and_no_other() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")

    written = re.findall(r"^\| `(SLIPSTREAM_\w+)` \|", page, flags=re.M)

    assert sorted(written) == sorted(f"SLIPSTREAM_{name.upper()}" for name in Settings.model_fields)
