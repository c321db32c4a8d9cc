"""What is wrong with a definition, told so that it can be mended without looking anything up."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Problem:
    """One error of one file."""

    file: str
    line: int | None
    path: str
    message: str
    found: str | None = None
    allowed: tuple[str, ...] = ()
    nearest: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{place}: {self.path or '(file)'}: {self.message}{hint}"


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return the valid name that looks most like ``name``, or None where none is close."""
    close = difflib.get_close_matches(str(name), [str(valid) for valid in names], n=1, cutoff=0.6)
    return close[0] if close else None


class UnknownNamesError(ValueError):
    """Names that do not exist, raised inside validation and unfolded into one problem a name."""

    def __init__(self, unknown: list[tuple[str, str, list[str]]]) -> None:
        self.unknown = unknown
        super().__init__("; ".join(f"{where}: no {name!r}" for where, name, _ in unknown))


def unknown_names(wanted: Iterable[tuple[str, Iterable[str], Collection[str]]]) -> None:
    """Raise one error that names every unknown name of ``(key path, names, valid names)``."""
    unknown = [(where, name, sorted(valid)) for where, names, valid in wanted for name in names if name not in valid]
    if unknown:
        raise UnknownNamesError(unknown)
