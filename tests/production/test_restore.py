"""docs/runbooks/backup.md, block by block: everything is saved, everything is lost, everything comes back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from native import AIRFLOW, WORKERS, Native
from replay import MODEL, Replay, digests

from slipstream import promotion
from slipstream.settings import Settings

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbooks" / "backup.md"

# What the runbook's first block is to docker-compose.yml, these lines are to the services here.
HERE = """
set -euo pipefail
database() {{ PGHOST=127.0.0.1 PGPORT={port} PGPASSWORD=$POSTGRES_PASSWORD "$@"; }}
lake() {{ SLIPSTREAM_LAKE="${{SLIPSTREAM_LAKE:-$LAKE}}" {slipstream} lake "$@"; }}
"""


def blocks(heading: str) -> str:
    """Return the commands below a heading of the runbook."""
    text = RUNBOOK.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"```sh\n(.*?)```", text, flags=re.S)
    assert found, f"the runbook has no commands below {heading!r}"
    return "\n".join(found)


@pytest.fixture
def follow(native: Native, tmp_path: Path):
    """Run the commands below a heading."""
    slipstream = Path(sys.executable).parent / "slipstream"
    start = HERE.format(port=native.ports["postgres"], slipstream=f"'{sys.executable}' '{slipstream}'")
    environment = {
        **native.environment("prepare"),
        "POSTGRES_PASSWORD": native.environment("postgres")["POSTGRES_PASSWORD"],
        "BACKUP": str(tmp_path / "backup"),
        "LAKE": native.environment("worker")["SLIPSTREAM_LAKE"],
        "ARTIFACTS": native.environment("mlflow")["MLFLOW_ARTIFACTS_DESTINATION"],
    }

    def follow(heading: str) -> str:
        done = subprocess.run(
            ["bash", "-c", start + blocks(heading)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{heading}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    return follow


def lose_everything(native: Native, settings: Settings) -> None:
    """Empty the databases and the buckets of lake and artifacts."""
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    places = (settings.lake, native.environment("mlflow")["MLFLOW_ARTIFACTS_DESTINATION"])
    for bucket in (place.split("/")[2] for place in places):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", ()):
                client.delete_object(Bucket=bucket, Key=item["Key"])
    connection = {"PGHOST": "127.0.0.1", "PGPORT": str(native.ports["postgres"])}
    password = native.environment("postgres")["POSTGRES_PASSWORD"]
    for name in ("airflow", "mlflow"):
        for command in (f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name} OWNER {name}"):
            words = ["psql", "--quiet", "--username=postgres", "--dbname=postgres", "--command", command]
            environment = {**os.environ, **connection, "PGPASSWORD": password}
            subprocess.run(words, env=environment, check=True, capture_output=True)


def test_the_runbook_brings_everything_back(replay: Replay, native: Native, settings: Settings, follow) -> None:
    before = {name: digests(replay.lake, name) for name in replay.lake.tables()}
    champion = promotion.champion(MODEL, lake=replay.lake)
    runs = replay.api.count([f"{MODEL}.scoring"], ("success",))
    assert champion is not None
    assert "are what was written" in follow("Back up")
    again = follow("Back up")
    assert re.search(r"^0 file\(s\) copied", again, re.M), "a second backup of the same artifacts copies nothing"

    names = ("mlflow", *AIRFLOW, *WORKERS)
    native.hold(*names)
    lose_everything(native, settings)
    assert replay.lake.tables() == []
    follow("Restore")
    native.release(*names)
    native.await_well()

    assert "are what was written" in follow("Afterwards")
    assert {name: digests(replay.lake, name) for name in replay.lake.tables()} == before
    assert promotion.champion(MODEL, lake=replay.lake) == champion
    registry = promotion.Registry.from_settings(settings)
    assert registry.version(MODEL, "champion") == champion.version
    registry.load(MODEL, champion.version)
    assert replay.api.count([f"{MODEL}.scoring"], ("success",)) == runs
    interval = replay.days.scored()[-1]
    replay.rescore(interval).await_end()
    assert {name: digests(replay.lake, name) for name in replay.lake.tables()} == before
