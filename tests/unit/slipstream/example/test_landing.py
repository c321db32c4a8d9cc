from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from slipstream.errors import ServiceError, SettingsError
from slipstream.example.landing import Landing
from slipstream.settings import Settings


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "landing").write_text("a file where the folder should be")

    with pytest.raises(ServiceError, match=r"Could not publish weather/day\.csv"):
        Landing(Settings(home=tmp_path, landing=str(tmp_path / "landing"))).put("weather/day.csv", b"x")


def test_a_write_that_fails_leaves_the_old_file_and_no_scrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = Landing(Settings(home=tmp_path, landing=str(tmp_path)))
    landing.put("weather/day.csv", b"old")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ServiceError, match="No space left"):
        landing.put("weather/day.csv", b"new and longer")

    assert [path.name for path in (tmp_path / "weather").iterdir()] == ["day.csv"]
    assert (tmp_path / "weather/day.csv").read_bytes() == b"old"


@pytest.mark.parametrize("landing", ["ftp://host/folder", "s3://"])
def test_another_kind_of_address_is_refused(tmp_path: Path, landing: str) -> None:
    settings = Settings(home=tmp_path).model_copy(update={"landing": landing})

    with pytest.raises(SettingsError, match="SLIPSTREAM_LANDING"):
        Landing(settings)


def test_a_file_address_is_its_folder(tmp_path: Path) -> None:
    assert Landing(Settings(home=tmp_path, landing=f"file://{tmp_path}/in")).put("a.csv", b"x")
    assert (tmp_path / "in/a.csv").read_bytes() == b"x"


def test_a_bucket_is_written_once_and_left_alone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        bucket = f"landing-{uuid.uuid4().hex[:8]}"
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket=bucket)
        settings = Settings(home=tmp_path, landing=f"s3://{bucket}/new york", s3_endpoint_url=address)

        assert Landing(settings).put("weather/2013-01-01.csv", b"origin\nEWR\n")
        assert not Landing(settings).put("weather/2013-01-01.csv", b"origin\nEWR\n")
        assert Landing(settings).put("weather/2013-01-01.csv", b"origin\nJFK\n")

        stored = client.get_object(Bucket=bucket, Key="new york/weather/2013-01-01.csv")["Body"].read()
        assert stored == b"origin\nJFK\n"
        missing = Settings(home=tmp_path, landing="s3://no-such-bucket/x", s3_endpoint_url=address)
        with pytest.raises(ServiceError, match="Could not publish"):
            Landing(missing).put("a.csv", b"x")
    finally:
        server.stop()
