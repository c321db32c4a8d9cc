"""Stores made ready and copied, over S3's protocol."""

from __future__ import annotations

import uuid

import pyarrow as pa
import pytest

from slipstream.errors import NotFoundError, ServiceError, SettingsError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run
from slipstream.lake.stores import copy_store, prepare_places
from slipstream.settings import Settings

DAYS = [Interval.parse(f"2013-01-0{day}") for day in range(1, 5)]


@pytest.fixture
def settings(s3) -> Settings:
    return Settings(lake=s3.root, s3_endpoint_url=s3.endpoint_url)


def write(lake: Lake, day: Interval, *values: int) -> None:
    lake.table("raw/flights").write(day, pa.table({"n": list(values)}), provenance=Provenance(Run.local()))


def digests(lake: Lake) -> dict[str, str]:
    table = lake.table("raw/flights")
    return {str(each): table.commit_of(each).digest for each in table.intervals()}


def test_buckets_are_made_once(s3, settings: Settings) -> None:
    place = f"s3://new-{uuid.uuid4().hex[:12]}/lake"
    assert [each.made for each in prepare_places([place, place, s3.root], settings)] == [True, False]
    assert not prepare_places([place], settings)[0].made
    assert s3.list_keys() == []


def test_a_store_in_which_the_second_writer_wins_is_refused(s3, settings: Settings, monkeypatch) -> None:
    import boto3

    whole = boto3.client

    def deaf(*arguments, **options):
        client = whole(*arguments, **options)
        put = client.put_object
        client.put_object = lambda **given: put(**{name: given[name] for name in given if name != "IfNoneMatch"})
        return client

    monkeypatch.setattr(boto3, "client", deaf)
    with pytest.raises(SettingsError, match="does not honour If-None-Match"):
        prepare_places([s3.root], settings)
    assert s3.list_keys() == []


def test_a_store_that_does_not_answer_is_worth_another_try(settings: Settings) -> None:
    away = settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(ServiceError, match="did not answer"):
        prepare_places(["s3://somewhere/lake"], away)


def test_a_lake_is_copied_to_a_folder_and_back(s3, settings: Settings, tmp_path) -> None:
    lake = Lake.from_settings(settings)
    write(lake, DAYS[0], 1, 2)
    write(lake, DAYS[1])
    first = copy_store(lake.root, str(tmp_path / "backup"), settings)
    assert first.copied > 2
    assert digests(Lake(tmp_path / "backup")) == digests(lake)
    write(lake, DAYS[2], 3)
    second = copy_store(lake.root, str(tmp_path / "backup"), settings)
    assert second.present == first.copied
    assert second.copied == 2, "one file of data, one of the log"
    back = f"s3://{s3.bucket}/back"
    copy_store(str(tmp_path / "backup"), back, settings)
    again = Lake(back, storage_options=settings.storage_options())
    assert digests(again) == digests(lake)
    assert all(each.ok for each in again.table("raw/flights").verify())


def test_a_copy_of_a_lake_that_is_being_written_is_a_lake(settings: Settings, tmp_path, monkeypatch) -> None:
    from slipstream.lake import stores

    lake = Lake.from_settings(settings)
    write(lake, DAYS[0], 1)
    whole, listed = stores._sizes, []

    def busy(storage):
        found = whole(storage)
        listed.append(storage)
        write(lake, DAYS[len(listed)], len(listed))  # a commit after each listing
        return found

    monkeypatch.setattr(stores, "_sizes", busy)
    copy_store(lake.root, str(tmp_path / "backup"), settings)
    copied = Lake(tmp_path / "backup").table("raw/flights")
    assert all(each.ok for each in copied.verify())
    assert copied.intervals() == DAYS[:1], "what was committed before the copy began"


def test_nothing_to_copy_is_said(settings: Settings, tmp_path) -> None:
    with pytest.raises(NotFoundError, match="nothing at"):
        copy_store(str(tmp_path / "nowhere"), str(tmp_path / "backup"), settings)


def test_folders_are_made_too(tmp_path) -> None:
    settings = Settings(home=tmp_path)
    assert prepare_places([str(tmp_path / "lake")], settings)[0].made
    assert not prepare_places([str(tmp_path / "lake")], settings)[0].made
