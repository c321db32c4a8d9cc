"""What is wrong with a definition, told so that it can be mended without looking anything up."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One error of one file: where, what was found, what is allowed, and which allowed name is nearest."""

    file: str
    line: int | None
    path: str
    message: str
    found: str | None = None
    allowed: tuple[str, ...] = ()
    nearest: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "allowed": list(self.allowed)}

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{place}: {self.path or '(file)'}: {self.message}{hint}"


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems by file, line and key path, each once."""
    once = dict.fromkeys(problems)
    return sorted(once, key=lambda problem: (problem.file, problem.line or 0, problem.path, problem.message))


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return the valid name that looks most like ``name``, or None where none is close."""
    by_lower = {str(valid).lower(): str(valid) for valid in names}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def shown(value: Any) -> str:
    """Return a value as text that fits into a line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


@dataclass(frozen=True)
class Fault:
    """A broken rule inside one document, before it is known which file and line that is."""

    path: tuple[str, ...]
    message: str
    found: str | None = None
    allowed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.message}"

    def in_file(self, file: str, lines: dict[tuple[str, ...], int]) -> Problem:
        close = nearest(self.found, self.allowed) if self.found is not None else None
        close = None if close == self.found else close
        path = ".".join(self.path)
        return Problem(file, line_of(self.path, lines), path, self.message, self.found, self.allowed, close)


class FaultsError(ValueError):
    """Rules that a document breaks, raised inside validation and unfolded into one problem a fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, faults)))


def raise_faults(faults: Iterable[Fault]) -> None:
    """Raise one error that holds every fault, if there is any."""
    found = list(faults)
    if found:
        raise FaultsError(found)


def line_of(path: Sequence[str], lines: dict[tuple[str, ...], int]) -> int | None:
    """Return the line of a key path, or of its nearest ancestor that has one."""
    for length in range(len(path), -1, -1):
        if tuple(path[:length]) in lines:
            return lines[tuple(path[:length])]
    return None
