"""What a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipstream.definitions.problem import Problem


@dataclass(frozen=True)
class CheckReport:
    """Every problem below a definitions root, in order of file and line, and how many definitions there are."""

    root: Path
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        problems = [problem.as_dict() for problem in self.problems]
        return {"ok": self.ok, "counts": dict(self.counts), "problems": problems}
