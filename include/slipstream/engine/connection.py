"""A DuckDB connection that keeps to its memory, spills where it may, and cannot leave the process."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import duckdb

    from slipstream.settings import Settings

# Statements, not connect()'s config: DuckDB refuses temp_directory once external access is off, and reads config in
# an order of its own. Locked at the end, so that no SQL can undo any of it.
_CLOSE_THE_DOORS = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@contextmanager
def connect(
    settings: Settings, *, threads: int | None = None, preserve_order: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB for the length of a ``with`` block.

    Its time zone is UTC. It holds at most ``settings.memory_limit`` bytes and then spills into a folder of its own
    under ``settings.spill``, which is removed at the end. SQL reads Arrow objects that were registered, and nothing
    else: files, extensions, variables of the caller and settings are out of its reach.

    Args:
        settings: Where to spill, and how much memory and how many threads to take.
        threads: Fewer threads than the settings allow. More than one makes sums of floats differ in their last bits
            from one run to the next.
        preserve_order: Give rows in the order of the input where the SQL does not sort; costs memory.
    """
    import duckdb

    spill = _make_spill_folder(settings.spill)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{settings.memory_limit}B",
        "threads": min(threads or settings.threads, settings.threads),
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": preserve_order,
    }
    try:
        connection = duckdb.connect(":memory:", config=config)
        try:
            for statement in _CLOSE_THE_DOORS:
                connection.execute(statement)
            yield connection
        finally:
            connection.close()
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _make_spill_folder(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    _sweep(root, host)
    return Path(tempfile.mkdtemp(prefix=f"{host}.{psutil.Process().pid}.", dir=root))


def _sweep(root: Path, host: str) -> None:
    """Remove what processes of this host that were killed have left behind."""
    for folder in root.glob(f"{host}.*.*"):
        pid = folder.name.removeprefix(f"{host}.").split(".")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
