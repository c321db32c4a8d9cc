"""Reading a definitions root; every problem of every file, not only the first."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from slipstream.definitions.base import Definition
from slipstream.definitions.model import Model
from slipstream.definitions.problem import Problem, nearest
from slipstream.definitions.source import Contract, Source
from slipstream.definitions.validation import problems_of
from slipstream.definitions.view import View
from slipstream.definitions.yaml import load_yaml
from slipstream.errors import DefinitionError

D = TypeVar("D", bound=Definition)
FOLDERS: Mapping[str, type[Definition]] = {"sources": Source, "features": View, "models": Model}


@dataclass(frozen=True)
class Definitions:
    """Everything a team has defined, by name."""

    root: Path
    sources: Mapping[str, Source] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)

    def source(self, name: str) -> Source:
        return _find(self.sources, "source", name)

    def view(self, name: str) -> View:
        return _find(self.views, "view", name)

    def model(self, name: str) -> Model:
        return _find(self.models, "model", name)


def _find(group: Mapping[str, D], kind: str, name: str) -> D:
    if name not in group:
        close = nearest(name, group)
        hint = f" Did you mean {close!r}?" if close else ""
        message = f"No {kind} is named {name!r}; there are {sorted(group) or 'none'}.{hint}"
        raise DefinitionError(message)
    return group[name]


def read_definitions(root: Path) -> tuple[Definitions, list[Problem]]:
    """Read every definition below ``root``; what is wrong comes back as problems, the rest as definitions."""
    found: dict[str, dict[str, Any]] = {folder: {} for folder in FOLDERS}
    problems: list[Problem] = []
    for folder, kind in FOLDERS.items():
        for path in sorted((root / folder).glob("*")):
            if not path.is_dir() or path.name.startswith((".", "_")):
                continue
            definition = _read_one(path, kind, root, problems)
            if definition is not None:
                found[folder][definition.name] = definition
    definitions = Definitions(root, found["sources"], found["features"], found["models"])
    return definitions, sorted(problems, key=lambda problem: (problem.file, problem.line or 0, problem.path))


def _read_one(folder: Path, kind: type[Definition], root: Path, problems: list[Problem]) -> Definition | None:
    path = folder / kind.file_name
    file = str(path.relative_to(root))
    if not path.is_file():
        problems.append(Problem(file, None, "", f"The folder {folder.name} wants a {kind.file_name}; there is none."))
        return None
    definition: Definition | None
    definition, found = _read_file(path, file, kind)
    problems += found
    if definition is None:
        return None
    if definition.name != folder.name:
        message = f"Wanted the folder's name {folder.name!r}, found {definition.name!r}."
        problems.append(Problem(file, 1, "name", message, found=definition.name, allowed=(folder.name,)))
    definition._folder = folder
    if isinstance(definition, Source) and (folder / "expectations.yaml").is_file():
        contract, found = _read_file(
            folder / "expectations.yaml", str(folder.relative_to(root) / "expectations.yaml"), Contract
        )
        problems += found
        definition._contract = contract or Contract()
    return definition


def _read_file(path: Path, file: str, kind: type[Any]) -> tuple[Any, list[Problem]]:
    try:
        data, lines = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        return None, [Problem(file, mark.line + 1 if mark else None, "", f"It is not readable YAML: {reason}.")]
    if not isinstance(data, dict):
        return None, [Problem(file, 1, "", f"Wanted keys and values, found {type(data).__name__}.")]
    try:
        return kind.model_validate(data), []
    except ValidationError as error:
        return None, problems_of(error, file, kind, lines)


def load_definitions(root: Path) -> Definitions:
    """Read every definition below ``root``.

    Raises:
        DefinitionError: naming every problem of every file.
    """
    definitions, problems = read_definitions(root)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        message = (
            f"{len(problems)} problem(s) in the definitions below {root}:\n{listed}\n"
            "Mend them; `slipstream check` tells when all is well."
        )
        raise DefinitionError(message)
    return definitions


@functools.lru_cache(maxsize=4)
def _cached(root: Path, stamp: tuple[tuple[str, int, int], ...]) -> Definitions:
    return load_definitions(root)


def get_definitions(root: Path | None = None) -> Definitions:
    """Return the definitions of this project, read again only when one of their files has changed."""
    from slipstream.settings import get_settings

    root = root or get_settings().definitions
    files = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file())
    stats = [(str(path), path.stat()) for path in files if "__pycache__" not in path.parts]
    return _cached(root, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))
