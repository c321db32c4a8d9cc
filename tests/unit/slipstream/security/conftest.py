"""A pickle that leaves a mark when it is loaded."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@dataclass(frozen=True)
class Planted:
    """The bytes of a pickle that runs code, and the mark of its having run."""

    content: bytes
    bomb: Bomb

    @property
    def went_off(self) -> bool:
        return self.bomb.mark.exists()


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Planted]:
    """Give a live pickle; whoever loads it fails the test."""
    tried = Bomb(tmp_path / "it works")
    pickle.loads(pickle.dumps(tried))  # noqa: S301 - to see that it would go off
    assert tried.mark.exists()
    bomb = Bomb(tmp_path / "gone off")
    made = Planted(pickle.dumps(bomb), bomb)
    yield made
    assert not made.went_off
