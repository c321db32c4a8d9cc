"""The landing folder or bucket, as the one who delivers sees it: whole files, put once."""

from __future__ import annotations

import os
import posixpath
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from slipstream.errors import ServiceError, SettingsError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

    from slipstream.settings import Settings


class Landing:
    """Puts whole files under ``settings.landing``, a folder or ``s3://bucket/prefix``."""

    def __init__(self, settings: Settings) -> None:
        self.root = settings.landing
        self._filesystem, self._base = _open(settings)

    def put(self, path: str, content: bytes) -> bool:
        """Write ``content`` at ``path`` under the root and return True; return False where it is there already.

        In a folder, the file appears under its name only when it is whole; in a bucket, a put is one step by nature.

        Raises:
            ServiceError: the folder or bucket cannot be read or written.
        """
        target = posixpath.join(self._base, path)
        try:
            if self._read(target, len(content)) == content:
                return False
            self._write(target, content)
        except OSError as error:
            message = f"Could not publish {path} to {self.root}: {error}. Free space, grant access, or try again later."
            raise ServiceError(message) from error
        return True

    def _read(self, target: str, size: int) -> bytes | None:
        """Return the content at ``target`` if its size is ``size``; None where it is missing or of another size."""
        from pyarrow.fs import FileType

        found = self._filesystem.get_file_info(target)
        if found.type != FileType.File or found.size != size:
            return None
        with self._filesystem.open_input_stream(target, compression=None) as stream:
            return bytes(stream.read())

    def _write(self, target: str, content: bytes) -> None:
        from pyarrow.fs import LocalFileSystem

        if not isinstance(self._filesystem, LocalFileSystem):
            with self._filesystem.open_output_stream(target, compression=None) as stream:
                stream.write(content)
            return
        final = Path(target)
        final.parent.mkdir(parents=True, exist_ok=True)
        # A leading dot: no reader's pattern matches it. The token: two publishers do not meet in it.
        partial = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
        try:
            partial.write_bytes(content)
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)


def _open(settings: Settings) -> tuple[FileSystem, str]:
    from pyarrow.fs import LocalFileSystem, S3FileSystem

    scheme, separator, rest = settings.landing.partition("://")
    if not separator:
        return LocalFileSystem(), str(Path(settings.landing).absolute())
    if scheme == "file":
        return LocalFileSystem(), rest
    if scheme != "s3" or not rest:
        message = f"Wanted a folder or s3://bucket/prefix as SLIPSTREAM_LANDING, found {settings.landing!r}."
        raise SettingsError(message)
    options: dict[str, str] = {}
    if settings.s3_endpoint_url:
        plain = settings.s3_allow_http or settings.s3_endpoint_url.startswith("http://")
        endpoint = settings.s3_endpoint_url.partition("://")[2] or settings.s3_endpoint_url
        options = {"endpoint_override": endpoint.rstrip("/"), "scheme": "http" if plain else "https"}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return S3FileSystem(region=region, allow_bucket_creation=False, **options), rest
