"""What a backtest has worked out so far, on disk: each piece is there whole or not at all, under what it depends on."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from slipstream.services.places import write_atomically


class Store:
    """Pieces below a folder: a second run finds them, and so does one that was killed and is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remember(self, kind: str, parts: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Return the JSON of ``kind`` that depends on ``parts``; made and kept where it is not there yet."""
        path = self.folder / kind / f"{digest_of(parts)}.json"
        with suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
        text = json.dumps(make(), sort_keys=True)
        write_whole(path, text)
        plain: dict[str, Any] = json.loads(text)
        return plain

    def remember_folder(self, kind: str, name: str, make: Callable[[Path], None]) -> Path:
        """Return the folder ``name`` of ``kind``; ``make`` fills it where it is not there yet."""
        path = self.folder / kind / name
        if path.is_dir():
            return path
        partial = path.with_name(f".{name}.{uuid.uuid4().hex}")
        partial.mkdir(parents=True)
        try:
            make(partial)
            with suppress(OSError):  # another process was faster: what it made is the same
                partial.rename(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return path


def digest_of(parts: Mapping[str, Any]) -> str:
    """Return 16 hex digits of JSON-able ``parts``."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that others may read, so that nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content, mode=0o666)  # less what the umask takes
