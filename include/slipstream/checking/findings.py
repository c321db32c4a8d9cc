"""Where the checks put what they find: each problem at its file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slipstream.definitions import Definition, Problem, Source
from slipstream.definitions.loading import CONTRACT
from slipstream.definitions.problem import Fault

Lines = dict[tuple[str, ...], int]


@dataclass
class Findings:
    """The problems of one check, in the order in which they were found."""

    root: Path
    problems: list[Problem] = field(default_factory=list)

    def add(
        self,
        definition: Definition,
        path: Sequence[str],
        message: str,
        *,
        found: str | None = None,
        allowed: Iterable[str] = (),
    ) -> None:
        """Add a problem of the definition's own YAML file."""
        file = self._file(definition, definition.file_name)
        self._add(file, path, message, found, allowed, definition._lines)

    def add_contract(
        self,
        source: Source,
        path: Sequence[str],
        message: str,
        *,
        found: str | None = None,
        allowed: Iterable[str] = (),
    ) -> None:
        """Add a problem of a source's expectations.yaml."""
        self._add(self._file(source, CONTRACT), path, message, found, allowed, source.contract._lines)

    def add_text(
        self,
        definition: Definition,
        name: str,
        path: Sequence[str],
        message: str,
        *,
        line: int | None = None,
        found: str | None = None,
        allowed: Iterable[str] = (),
    ) -> None:
        """Add a problem of a file beside the YAML; ``path`` is the key that names the file."""
        lines: Lines = {(): line} if line else {}
        self._add(self._file(definition, name), path, message, found, allowed, lines)

    def _add(
        self, file: str, path: Sequence[str], message: str, found: str | None, allowed: Iterable[str], lines: Lines
    ) -> None:
        self.problems.append(Fault(tuple(path), message, found, tuple(allowed)).in_file(file, lines))

    def _file(self, definition: Definition, name: str) -> str:
        return (definition.folder / name).relative_to(self.root).as_posix()


def readable(findings: Findings, definition: Definition, name: str, path: Sequence[str]) -> str | None:
    """Return the text of a file of the definition; None, and a problem at ``path``, where it cannot be read."""
    from slipstream.definitions.problem import nearest
    from slipstream.errors import DefinitionError

    try:
        return definition.text(name)
    except DefinitionError as error:
        beside = sorted(file.name for file in definition.folder.iterdir() if file.suffix == Path(name).suffix)
        if not (definition.folder / name).exists():
            message = f"There is no file {name} in the folder; it has {', '.join(beside) or 'no such file'}."
            findings.add(definition, path, message, found=name, allowed=beside)
        elif isinstance(error.__cause__, UnicodeDecodeError):
            findings.add_text(definition, name, path, "Wanted UTF-8; the file has other bytes. Save it as UTF-8.")
        else:
            reason = str(error.__cause__ or error).replace(str(definition.folder), ".")
            findings.add(definition, path, f"{name} cannot be read: {reason}", found=nearest(name, beside))
        return None


def line_of_word(text: str, word: str) -> int | None:
    """Return the first line of ``text`` (SQL) that has ``word``, comments and strings apart; None where none has."""
    blank = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
    bare = blank.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", bare, re.IGNORECASE)
    return bare.count("\n", 0, found.start()) + 1 if found else None
