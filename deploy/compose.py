"""Reads docker-compose.yml as Compose does: anchors merged, variables of .env filled in, ``$$`` a dollar.

The tests use it to start the same services without containers, and to hold the file to its promises.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<text>[^}]*))?\})")


class MissingVariableError(Exception):
    """A variable that the file insists on is missing or empty."""


def read_env(path: Path) -> dict[str, str]:
    """Return the variables of a .env file; it has no quotes and no references."""
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def read_compose(variables: Mapping[str, str], path: Path = PROJECT / "docker-compose.yml") -> dict[str, Any]:
    """Return the file with its variables filled in; MissingVariableError names the first that is wanted and missing."""
    found: dict[str, Any] = _filled(yaml.safe_load(path.read_text(encoding="utf-8")), variables)
    return found


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    given = variables.get(found["name"], "")
    if given or found["kind"] is None:
        return given
    if found["kind"] == ":?":
        message = f"required variable {found['name']} {found['text']}"
        raise MissingVariableError(message)
    return str(found["text"])
