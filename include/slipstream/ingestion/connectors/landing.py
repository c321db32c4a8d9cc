"""The files of an interval under the landing root, a folder or a bucket: which there are, and whether they change."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.fs as pafs

from slipstream.definitions.source import FilesConnector
from slipstream.errors import BatchNotReadyError, BatchRejectedError, DefinitionError, ServiceError
from slipstream.intervals import Interval
from slipstream.lake.storage import Storage
from slipstream.settings import Settings

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class LandedFile:
    """A file as it was listed; ``name`` is its path under the landing root, ``etag`` a bucket's mark of its content."""

    name: str
    path: str
    size: int
    modified: datetime
    etag: str = ""

    def age(self) -> float:
        """Return the seconds since its last change."""
        return (datetime.now(UTC) - self.modified).total_seconds()


class Landing:
    """Files that one connector reads."""

    def __init__(self, connector: FilesConnector, settings: Settings) -> None:
        self._connector = connector
        self._storage = Storage(settings.landing, settings.storage_options())
        self.root = self._storage.root

    @property
    def filesystem(self) -> pafs.FileSystem:
        return self._storage.filesystem

    def pattern(self, interval: Interval) -> str:
        """Return the path template filled in with the interval's start and end (UTC).

        Raises:
            DefinitionError: The template names anything else, or leads out of the landing root once it is filled in.
        """
        template = self._connector.path
        try:
            filled = template.format(start=interval.start, end=interval.end)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            message = (
                f"connector.path {template!r} may name {{start:…}} and {{end:…}} only, in strftime's terms: {error}."
            )
            raise DefinitionError(message) from error
        if filled.startswith("/") or {".", "..", ""} & set(filled.split("/")) or "\\" in filled or "\0" in filled:
            message = f"connector.path {template!r} wants to stay below the landing root; filled in it is {filled!r}."
            raise DefinitionError(message)
        return filled

    def find(self, interval: Interval) -> tuple[LandedFile, ...]:
        """Return the interval's files in the order of their names; names that begin with a dot are nobody's.

        Raises:
            BatchRejectedError: One of them is a link that leads out of the landing root.
        """
        pattern = self.pattern(interval)
        with self._answering():
            found = self._listed(pattern) if self._storage.is_local else self._objects(pattern)
            files = sorted((file for file in found if _matches(file.name, pattern)), key=lambda file: file.name)
            if self._storage.is_local:
                self._refuse_links_out(files)
        return tuple(files)

    def _refuse_links_out(self, files: Sequence[LandedFile]) -> None:
        """Whoever delivers files must not be able to have others of this machine read."""
        root = Path(self.root).resolve()
        for file in files:
            if not Path(file.path).resolve().is_relative_to(root):
                message = (
                    f"{file.name} is a link, or lies behind one, that leads out of the landing root {self.root}. "
                    "It is not read; have the file itself delivered."
                )
                raise BatchRejectedError(message)

    def _listed(self, pattern: str) -> list[LandedFile]:
        magic = _MAGIC.search(pattern)
        if magic is None:
            info = self.filesystem.get_file_info(self._storage.path(pattern))
            return [self._landed(info)] if info.type == pafs.FileType.File else []
        folder = posixpath.dirname(pattern[: magic.start()])
        deep = pattern.count("/") > folder.count("/") + bool(folder)
        selector = pafs.FileSelector(self._storage.path(folder), allow_not_found=True, recursive=deep)
        return [self._landed(info) for info in self.filesystem.get_file_info(selector) if info.is_file]

    def _objects(self, pattern: str) -> list[LandedFile]:
        magic = _MAGIC.search(pattern)
        return [
            LandedFile(self._name(each.path), each.path, each.size, each.modified.astimezone(UTC), each.etag)
            for each in self._storage.objects(pattern[: magic.start()] if magic else pattern)
            if not each.path.endswith("/")
        ]

    def confirm(self, files: tuple[LandedFile, ...], interval: Interval) -> None:
        """Raise BatchNotReadyError where the files are no longer those that were listed."""
        now = self.find(interval)
        if now != files:
            known = {file.name: file for file in files}
            other = [file.name for file in now if known.get(file.name) != file]
            gone = sorted(known.keys() - {file.name for file in now})
            message = (
                f"The batch {interval} changed while it was read: {', '.join(other + gone)}. It is still being "
                "written; nothing was kept. Try again later, or set connector.settle so that a file must rest first."
            )
            raise BatchNotReadyError(message)

    @contextmanager
    def open(self, file: LandedFile) -> Iterator[pafs.FileSystem]:
        """Give the filesystem, with its failures as ServiceError."""
        with self._answering():
            yield self.filesystem

    def _landed(self, info: pafs.FileInfo) -> LandedFile:
        modified = (info.mtime or datetime.fromtimestamp(0, UTC)).astimezone(UTC)
        return LandedFile(self._name(info.path), info.path, info.size or 0, modified)

    def _name(self, path: str) -> str:
        return path.removeprefix(self._storage.base).lstrip("/")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            message = f"A file of the batch vanished under {self.root}: {error}. Try again later."
            raise BatchNotReadyError(message) from error
        except OSError as error:
            message = f"The landing place {self.root} did not answer as it should: {error}. Try again later."
            raise ServiceError(message) from error


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(
        fnmatch.fnmatchcase(part, want) and (not part.startswith(".") or want.startswith("."))
        for part, want in zip(parts, wanted, strict=True)
    )
