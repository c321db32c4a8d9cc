"""The lake: Delta tables under one root."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow.fs as pafs

from slipstream.errors import NotFoundError
from slipstream.lake.erasures import Suppressions
from slipstream.lake.storage import Storage
from slipstream.lake.tables import Table
from slipstream.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*")
DEPTH = 3  # folders of a table's name


class Lake:
    """Tables under one root, a folder or ``s3://bucket/prefix``.

    Args:
        root: Where the tables lie; it need not exist.
        storage_options: ``AWS_*`` options of an object store; credentials usually come from the environment.
        erasure_key: Gives the secret that erased subjects are known again by; asked only where there are any.

    Raises:
        SettingsError: The root cannot hold a lake.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        storage_options: Mapping[str, str] | None = None,
        erasure_key: Callable[[], str] = str,
    ) -> None:
        self._storage = Storage(root, storage_options)
        self.root = self._storage.root
        self.suppressions = Suppressions(self._storage, erasure_key)

    def __repr__(self) -> str:
        return f"Lake({self.root!r})"

    @classmethod
    def from_settings(cls, settings: Settings) -> Lake:
        return cls(settings.lake, storage_options=settings.storage_options(), erasure_key=settings.read_erasure_key)

    @property
    def filesystem(self) -> pafs.FileSystem:
        """Arrow's filesystem, for what is no table; give it paths from ``path``."""
        return self._storage.filesystem

    def path(self, *parts: str) -> str:
        """Return where ``parts`` under the root lie on ``filesystem``."""
        return self._storage.path(*parts)

    def uri(self, *parts: str) -> str:
        """Return the address of ``parts`` under the root for other tools: a plain path, or ``s3://…``."""
        return self._storage.uri(*parts)

    def table(self, name: str) -> Table:
        """Return a table, which need not exist; nothing is read.

        Raises:
            NotFoundError: No table can have that name.
        """
        if not _NAME.fullmatch(name) or name.count("/") >= DEPTH:
            message = (
                f"Wanted a table's name such as raw/flights, found {name!r}. Use letters, digits, '_', '-' and '.', "
                f"in at most {DEPTH} parts between slashes."
            )
            raise NotFoundError(message)
        return Table(name, self._storage, self.suppressions)

    def tables(self) -> list[str]:
        """Return the names of the tables that exist, sorted."""
        return sorted(self._find("", DEPTH))

    def _find(self, prefix: str, depth: int) -> Iterator[str]:
        selector = pafs.FileSelector(self.path(prefix), allow_not_found=True)
        folders = [info.base_name for info in self.filesystem.get_file_info(selector) if not info.is_file]
        if "_delta_log" in folders:
            if self.table(prefix).exists():
                yield prefix
            return
        for name in folders:
            if depth and not name.startswith(("_", ".")):
                yield from self._find(f"{prefix}/{name}".lstrip("/"), depth - 1)
