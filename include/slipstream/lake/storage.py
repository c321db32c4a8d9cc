"""Where a lake lies: a folder, or a prefix of an S3 bucket."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs

from slipstream.errors import SettingsError


@dataclass(frozen=True)
class StoredObject:
    """An object of a bucket as it was listed; ``etag`` is another one whenever its content is."""

    path: str
    size: int
    modified: datetime
    etag: str


PAGE = 1_000
"""Objects that a store lists at once, at most."""

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


class Storage:
    """A root, with the two clients that reach it: Arrow's filesystem for data, Delta's options for the log.

    Args:
        root: A folder, ``file://`` URI, or ``s3://bucket/prefix``.
        options: ``AWS_*`` options; what is not given comes from the environment.

    Raises:
        SettingsError: The root is of another kind, or Delta could not tell it from another folder.
    """

    def __init__(self, root: str | Path, options: Mapping[str, str] | None = None) -> None:
        self.options = {key.upper(): value for key, value in (options or {}).items()}
        text = str(root)
        scheme = text.split("://", 1)[0] if "://" in text else ""
        if scheme in ("s3", "s3a"):
            self.is_local = False
            self.base = text.split("://", 1)[1].strip("/")
            self.root = f"s3://{self.base}"
        elif scheme in ("", "file"):
            self.is_local = True
            path = Path(unquote(urlsplit(text).path) if scheme else text).expanduser().absolute()
            self.base = self.root = str(path)
        else:
            message = f"Wanted a folder or s3://bucket/prefix as a lake's root, found {text!r}. Set SLIPSTREAM_LAKE."
            raise SettingsError(message)
        if _ESCAPE.search(self.base):
            message = (
                f"The path {text!r} holds a % followed by two hexadecimal digits, which Delta reads as one character "
                "and so would mix up two folders. Choose another path for the lake."
            )
            raise SettingsError(message)
        self._filesystem: pafs.FileSystem | None = None

    @property
    def filesystem(self) -> pafs.FileSystem:
        """Arrow's filesystem; made once, when it is first needed."""
        if self._filesystem is None:
            self._filesystem = pafs.LocalFileSystem() if self.is_local else self._s3()
        return self._filesystem

    def path(self, *parts: str) -> str:
        """Return where ``parts`` lie on ``filesystem``."""
        return "/".join([self.base, *(part.strip("/") for part in parts if part)])

    def uri(self, *parts: str) -> str:
        """Return the address of ``parts`` for other tools: a plain path, or ``s3://…``."""
        return "/".join([self.root, *(part.strip("/") for part in parts if part)])

    def make_folder(self, path: str) -> None:
        """Make the folder of a path on ``filesystem``; object stores have none, so nothing is made there."""
        if self.is_local:
            Path(path).mkdir(parents=True, exist_ok=True)

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects of a bucket whose path under the root begins with ``prefix``.

        Arrow's listing has no ETags, and two objects of one size may be written within one second.

        Raises:
            OSError: The store did not answer, or refused.
        """
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, root = self.base.partition("/")
        try:
            client = boto3.client("s3", endpoint_url=self._option("AWS_ENDPOINT_URL"), region_name=self._region)
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=f"{root}/{prefix}".lstrip("/"), PaginationConfig={"PageSize": PAGE}
            )
            for item in (item for page in pages for item in page.get("Contents", ())):
                yield StoredObject(f"{bucket}/{item['Key']}", item["Size"], item["LastModified"], item["ETag"])
        except (BotoCoreError, ClientError) as error:
            raise OSError(str(error)) from error

    @property
    def delta_options(self) -> dict[str, str]:
        """Options for ``deltalake``, such that only one of two commits of the same version succeeds."""
        if self.is_local:
            return {}
        return {"AWS_REGION": self._region, "AWS_CONDITIONAL_PUT": "etag", **self.options}

    def _option(self, name: str) -> str | None:
        return self.options.get(name) or os.environ.get(name) or None

    @property
    def _region(self) -> str:
        return self._option("AWS_REGION") or self._option("AWS_DEFAULT_REGION") or "us-east-1"

    def _s3(self) -> pafs.FileSystem:
        endpoint = self._option("AWS_ENDPOINT_URL") or ""
        address = urlsplit(endpoint)
        arguments: dict[str, object] = {"region": self._region}
        if endpoint:
            arguments |= {"endpoint_override": address.netloc + address.path.rstrip("/"), "scheme": address.scheme}
        key, secret = self._option("AWS_ACCESS_KEY_ID"), self._option("AWS_SECRET_ACCESS_KEY")
        if key and secret:
            arguments |= {"access_key": key, "secret_key": secret, "session_token": self._option("AWS_SESSION_TOKEN")}
        return pafs.S3FileSystem(**arguments)
