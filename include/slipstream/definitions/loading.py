"""Reading a definitions root; every problem of every file, not only the first."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from slipstream.definitions.base import Definition
from slipstream.definitions.model import Model
from slipstream.definitions.problem import Problem, in_order, nearest
from slipstream.definitions.rules import model_faults, source_faults, view_faults
from slipstream.definitions.source import Contract, Expectation, Source
from slipstream.definitions.validation import Rules, validate
from slipstream.definitions.view import View
from slipstream.definitions.yaml import UnreadableError, read_yaml
from slipstream.errors import DefinitionError

D = TypeVar("D", bound=Definition)
FOLDERS: Mapping[str, type[Definition]] = {"sources": Source, "features": View, "models": Model}
RULES: Mapping[type[Any], Rules] = {Source: source_faults, View: view_faults, Model: model_faults}
CONTRACT = "expectations.yaml"


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


@dataclass
class Reading:
    """A definitions root, read as far as it can be: what is sound, what a check can go on with, what is wrong."""

    root: Path
    sound: Definitions
    usable: Definitions
    names: Mapping[str, frozenset[str]]
    problems: list[Problem]


def read_root(root: Path) -> Reading:
    """Read every definition below ``root``, the broken ones as far as they can be read."""
    sound: dict[str, dict[str, Any]] = {folder: {} for folder in FOLDERS}
    usable: dict[str, dict[str, Any]] = {folder: {} for folder in FOLDERS}
    names: dict[str, frozenset[str]] = {}
    problems: list[Problem] = []
    for folder, kind in FOLDERS.items():
        paths = sorted((root / folder).glob("*"))
        problems += [_stray(path, root, kind) for path in paths if path.is_file() and path.suffix in (".yaml", ".yml")]
        folders = [path for path in paths if path.is_dir() and not path.name.startswith((".", "_"))]
        names[folder] = frozenset(path.name for path in folders)
        for path in folders:
            mended, found = _read_folder(path, kind, root)
            problems += found
            if mended is not None:
                usable[folder][path.name] = mended
                if not found:
                    sound[folder][path.name] = mended
    return Reading(root, _group(root, sound), _group(root, usable), names, in_order(problems))


def _group(root: Path, found: Mapping[str, Mapping[str, Any]]) -> Definitions:
    return Definitions(root, found["sources"], found["features"], found["models"])


def read_definitions(root: Path) -> tuple[Definitions, list[Problem]]:
    """Read every definition below ``root``; what is wrong comes back as problems, the rest as definitions."""
    reading = read_root(root)
    return reading.sound, reading.problems


def _stray(path: Path, root: Path, kind: type[Definition]) -> Problem:
    wanted = path.parent / path.stem / kind.file_name
    message = f"Nothing reads this file; a {kind.kind} is a folder. Move it to {wanted.relative_to(root)}."
    return Problem(str(path.relative_to(root)), None, "", message)


def _read_folder(folder: Path, kind: type[Definition], root: Path) -> tuple[Definition | None, list[Problem]]:
    path = folder / kind.file_name
    file = path.relative_to(root).as_posix()
    if not path.is_file():
        present = sorted(each.name for each in folder.iterdir() if each.suffix in (".yaml", ".yml"))
        message = f"The folder {folder.name} wants a {kind.file_name}; it has {', '.join(present) or 'no YAML file'}."
        return None, [Problem(file, None, "", message, nearest=None, allowed=(kind.file_name,))]
    definition: Definition | None
    definition, problems = _read_file(path, file, kind)
    if definition is None:
        return None, problems
    definition._folder = folder
    if definition.name != folder.name:
        message = f"Wanted the folder's name {folder.name!r}, found {definition.name!r}."
        line = definition._lines.get(("name",))
        problems.append(Problem(file, line, "name", message, definition.name, (folder.name,), folder.name))
    if isinstance(definition, Source) and (folder / CONTRACT).exists():
        definition._contract, found = _read_contract(folder, root)
        problems += found
    return definition, problems


def _read_file(path: Path, file: str, kind: type[D]) -> tuple[D | None, list[Problem]]:
    try:
        document = read_yaml(path)
    except UnreadableError as error:
        return None, [Problem(file, error.line, "", str(error))]
    validated = validate(document, file, kind, RULES[kind])
    if validated.mended is not None:
        validated.mended._lines = document.lines
    return validated.mended, list(validated.problems)


def _read_contract(folder: Path, root: Path) -> tuple[Contract, list[Problem]]:
    file = (folder / CONTRACT).relative_to(root).as_posix()
    try:
        document = read_yaml(folder / CONTRACT)
    except UnreadableError as error:
        return Contract(), [Problem(file, error.line, "", str(error))]
    validated = validate(document, file, Contract)
    contract = validated.value or _sound_part(document.data)
    contract._positions = contract._positions or tuple(range(len(contract.expectations)))
    contract._lines = document.lines
    return contract, list(validated.problems)


def _sound_part(data: Any) -> Contract:
    items = data.get("expectations") if isinstance(data, dict) else None
    kept: dict[int, Expectation] = {}
    for position, item in enumerate(items if isinstance(items, list) else ()):
        with contextlib.suppress(ValidationError):
            kept[position] = Expectation.model_validate(item)
    contract = Contract(expectations=tuple(kept.values()))
    contract._positions = tuple(kept)
    return contract


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
