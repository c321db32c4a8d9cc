"""Whole stores: made ready for a lake, and copied for a backup."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.errors import NotFoundError, ServiceError, SettingsError
from slipstream.lake.storage import Storage

if TYPE_CHECKING:
    from slipstream.settings import Settings

LOG = "/_delta_log/"


@dataclass(frozen=True)
class Prepared:
    """One place that is ready, and whether it had to be made."""

    place: str
    made: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Copied:
    """What a copy came to: files copied, and files that were there already."""

    source: str
    destination: str
    copied: int
    present: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def prepare_places(places: Sequence[str], settings: Settings) -> list[Prepared]:
    """Make the folder or bucket of each place where there is none, and try that a bucket keeps two writers apart.

    Raises:
        SettingsError: The store lets a second writer replace what the first wrote, or its keys may not write.
        ServiceError: The store does not answer.
    """
    return [_prepare(Storage(place, settings.storage_options()), settings) for place in dict.fromkeys(places)]


def _prepare(storage: Storage, settings: Settings) -> Prepared:
    if storage.is_local:
        made = not Path(storage.base).is_dir()
        storage.make_folder(storage.base)
        return Prepared(storage.root, made)
    import boto3
    from botocore.exceptions import ClientError

    bucket, _, prefix = storage.base.partition("/")
    with _answering(storage):
        client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
        try:
            client.head_bucket(Bucket=bucket)
            made = False
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            client.create_bucket(Bucket=bucket, **_whereabouts(client.meta.region_name, settings))
            made = True
        _try_two_writers(client, bucket, f"{prefix}/_prepare-{uuid.uuid4().hex}".lstrip("/"), storage)
    return Prepared(storage.root, made)


def _whereabouts(region: str, settings: Settings) -> dict[str, Any]:
    """Name the region where Amazon wants it named; its first one must not be, and other servers have none."""
    if settings.s3_endpoint_url or region == "us-east-1":
        return {}
    return {"CreateBucketConfiguration": {"LocationConstraint": region}}


def _try_two_writers(client: Any, bucket: str, key: str, storage: Storage) -> None:
    """Put one object twice on the condition that it is not there: the second put must be refused."""
    from botocore.exceptions import ClientError

    client.put_object(Bucket=bucket, Key=key, Body=b"first", IfNoneMatch="*")
    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"second", IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
            return
        raise
    finally:
        client.delete_object(Bucket=bucket, Key=key)
    message = (
        f"The store of {storage.root} does not honour If-None-Match: of two writers of one interval both would "
        "believe that they won, and rows would be lost. Use a store with conditional puts."
    )
    raise SettingsError(message)


@contextmanager
def _answering(storage: Storage) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        message = f"The store refused what {storage.root} needs: {error}. Give its key the rights, or make the bucket."
        raise SettingsError(message) from error
    except BotoCoreError as error:
        message = f"The store of {storage.root} did not answer: {error}. Try again later."
        raise ServiceError(message) from error


def copy_store(source: str, destination: str, settings: Settings) -> Copied:
    """Copy everything below ``source`` that ``destination`` does not have; either is a folder or ``s3://…``.

    A table may be written meanwhile. Its log is listed before its data, so all that the copied log names is there when
    the data is copied; and it is put last, so that a reader of the copy never meets a log without its data. Files that
    a lake or MLflow wrote never change, so a second copy takes only what is new. No vacuum may run meanwhile.

    Raises:
        NotFoundError: There is nothing below ``source``.
        ServiceError: A store does not answer.
    """
    import pyarrow.fs as pafs

    here, there = (Storage(place, settings.storage_options()) for place in (source, destination))
    try:
        logs = [name for name in _sizes(here) if LOG in f"/{name}"]
        found = _sizes(here)
        if not found:
            message = f"There is nothing at {here.root} to copy."
            raise NotFoundError(message)
        present = _sizes(there)
        data = [name for name in found if LOG not in f"/{name}"]
        wanted = [name for name in (*data, *sorted(logs)) if present.get(name) != found.get(name, -1)]
        for name in wanted:
            target = there.path(name)
            there.make_folder(target.rpartition("/")[0])
            pafs.copy_files(
                here.path(name), target, source_filesystem=here.filesystem, destination_filesystem=there.filesystem
            )
    except OSError as error:
        message = f"Could not copy {here.root} to {there.root}: {error}. Copy again: what is there stays."
        raise ServiceError(message) from error
    size = sum(found.get(name, 0) for name in wanted)
    return Copied(here.root, there.root, len(wanted), len(data) + len(logs) - len(wanted), size)


def _sizes(storage: Storage) -> dict[str, int]:
    """Return the size of every file below a root, by its path there."""
    import pyarrow.fs as pafs

    selector = pafs.FileSelector(storage.base, allow_not_found=True, recursive=True)
    infos = storage.filesystem.get_file_info(selector)
    return {info.path.removeprefix(f"{storage.base}/"): info.size for info in infos if info.is_file}
