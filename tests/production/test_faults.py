"""The example in production: every day through Celery on two workers, and one fault after the other in mid-run.

After each, every run has ended well by retry, and the digests are those of a run that nothing disturbed.
"""

from __future__ import annotations

import json
import time

import boto3
import pytest
from native import Native, wait
from replay import AS_OF, MODEL, Replay, Work

from slipstream import promotion
from slipstream.settings import Settings

GONE = 30.0
AWAY = "no task was tried again, so the test shows less than it says"


def ingest(replay: Replay, first: int, last: int) -> Work:
    """Start the ingestion of these days of January; the first of them brings what was there before."""
    wanted = {}
    for name in replay.definitions.sources:
        days = [
            each for each in replay.days.source(name) if each.start.year == 2013 and first <= each.start.day <= last
        ]
        before = [each for each in replay.days.source(name) if each.start.year == 2012] if first == 1 else []
        wanted[f"{name}.ingestion"] = [*before, *days]
    return replay.backfill(wanted)


def ingested(replay: Replay, last: int) -> list[str]:
    """Return what differs up to a day of January."""
    later = tuple(f"2013-01-{day:02d}T" for day in range(last + 1, 32))
    return [each for each in replay.differing("raw", "quarantine") if not each.split()[1].startswith(later)]


def test_a_killed_worker_costs_a_try_and_no_row(replay: Replay, native: Native) -> None:
    work = ingest(replay, 1, 5)
    work.await_middle()
    victim = native.kill_at_work()
    work.await_end()
    assert work.tries() > 1, AWAY
    assert native.running[victim].starts == 2
    assert ingested(replay, 5) == []


def test_redis_may_be_restarted_in_mid_run_and_lose_the_message_it_was_handing_out(
    replay: Replay, native: Native
) -> None:
    work = ingest(replay, 6, 9)
    work.await_middle()
    wait(native.redis.lose_message, 300, "a message that waits in Redis", every=0.05)
    native.redis.stop()
    native.redis.start()
    work.await_end()
    assert ingested(replay, 9) == []


def test_postgresql_may_be_restarted_in_mid_run(replay: Replay, native: Native) -> None:
    work = ingest(replay, 10, 13)
    work.await_middle()
    native.postgres.stop()
    native.postgres.start()
    work.await_end()
    assert ingested(replay, 13) == []


def test_the_object_store_may_be_gone_for_half_a_minute(replay: Replay, native: Native) -> None:
    views = replay.definitions.views
    work = replay.backfill({f"{name}.features": replay.days.view(name, replay.lake) for name in views})
    work.await_middle()
    native.s3.shut()
    time.sleep(GONE)  # the fault's own length, not a wait for something
    native.s3.open()
    work.await_end()
    assert work.tries() > 1, AWAY
    assert replay.differing("raw", "quarantine", "features") == []


def test_mlflow_may_be_gone_for_half_a_minute(replay: Replay, native: Native, settings: Settings) -> None:
    work = replay.train()
    work.await_task("fit_candidate")
    native.hold("mlflow")
    time.sleep(GONE)
    native.release("mlflow")
    work.await_end()
    assert work.tries() > 1, AWAY
    row, wanted = (promotion.champion(MODEL, lake=lake) for lake in (replay.lake, replay.reference))
    assert row is not None
    assert wanted is not None
    assert (row.version, row.as_of) == (wanted.version, AS_OF)
    registry = promotion.Registry.from_settings(settings)
    assert registry.versions(MODEL) == ["1"], "one training, one version, however often it was tried"
    assert registry.version(MODEL, "champion") == "1"


@pytest.mark.parametrize("stage", ["scoring", "monitoring"])
def test_the_champion_scores_and_is_watched(replay: Replay, stage: str) -> None:
    intervals = replay.days.scored() if stage == "scoring" else replay.days.monitored()
    assert len(intervals) > 1
    replay.backfill({f"{MODEL}.{stage}": intervals}).await_end()
    assert replay.differing("predictions" if stage == "scoring" else "monitoring") == []


def test_every_digest_is_what_was_written(replay: Replay) -> None:
    found = [each for name in replay.lake.tables() for each in replay.lake.table(name).verify()]
    assert len(found) > 80
    assert all(each.ok for each in found)


def test_task_logs_are_in_the_bucket_and_in_the_interface(replay: Replay, settings: Settings) -> None:
    dag, task = f"{MODEL}.scoring", "score_population"
    run = replay.api.runs([dag], ("success",))[0]["dag_run_id"]
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    key = f"airflow/dag_id={dag}/run_id={run}/task_id={task}/attempt=1.log"
    kept = client.get_object(Bucket="slipstream-logs", Key=key)["Body"].read().decode()
    said = [json.loads(line)["event"] for line in kept.splitlines()]
    shown = replay.api.get(f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1")["content"]
    assert said
    assert set(said) <= {line["event"] for line in shown}
