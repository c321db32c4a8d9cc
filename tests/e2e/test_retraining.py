"""An alarm that a monitor outside Airflow raises: noticed, trained for, judged, promoted, once each.

The gate is opened wide, and the seed is another one, so that the training at the replay's last day gives a new version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from slipstream import monitoring, promotion
from slipstream.definitions import Model, load_definitions
from slipstream.demo.steps import APPROVAL, Demo
from slipstream.intervals import Interval, utc
from slipstream.lake import Provenance, Run
from slipstream.monitoring.rows import Measurement, schema

pytestmark = pytest.mark.timeout(900)
MODEL, WEEK, LIMIT = "air_time", timedelta(days=7), 600.0
CHANGES = {
    r"^gate:\n(  .*\n)+": "gate: [{check: metric_gain, metric: squared_error, mode: non_inferiority, margin: 1.0e+9, "
    "resamples: 200}]\n",
    r"^retraining:.*\n(  .*\n)*": "retraining: {reasons: [drift], cooldown: 0d, min_new_labels: 0}\n",
    r"^seed: .*\n": "seed: 4711\n",
}


@pytest.fixture
def model(replay: Demo) -> Iterator[Model]:
    """Let the copied definition retrain at once, and the gate accept what comes."""
    path = replay.settings.definitions / "models" / MODEL / "model.yaml"
    before = text = path.read_text(encoding="utf-8")
    for pattern, change in CHANGES.items():
        text, number = re.subn(pattern, change, text, flags=re.MULTILINE)
        assert number == 1, pattern
    path.write_text(text, encoding="utf-8")
    yield load_definitions(replay.settings.definitions).model(MODEL)
    path.write_text(before, encoding="utf-8")


def raise_alarm(replay: Demo, model: Model, end: datetime) -> datetime:
    """Write two windows with drift, as a monitor outside Airflow would; return when."""
    for start in (end - 2 * WEEK, end - WEEK):
        drift = Measurement("verdict", "drift", "share", 0.9, 0.1, True, 900, 900, "beyond bounds: the wind")
        when = {"window_start": start, "window_end": start + WEEK, "model_version": "1"}
        row = {**drift.as_dict(), **when, "event_time": start, "known_at": start + WEEK}
        table = replay.lake.table(model.monitoring_table)
        rows = pa.Table.from_pylist([row], schema=schema())
        table.write(Interval(start, start + WEEK), rows, provenance=Provenance(Run.local("a monitor outside")))
    return datetime.now(UTC)


def test_an_alarm_is_noticed_trained_for_judged_and_promoted_once_each(
    replay: Demo, model: Model, wait_for: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    dags, end = {stage: f"{MODEL}.{stage}" for stage in ("training", "promotion")}, replay.plan.until
    before = {stage: len(replay.api.runs([dag])) for stage, dag in dags.items()}
    rows, told = len(promotion.ledger(MODEL, lake=replay.lake)), len(monitoring.retrainings(MODEL, lake=replay.lake))
    raised = raise_alarm(replay, model, end)

    def decided() -> bool:
        for run_id in replay.api.waiting(dags["promotion"], APPROVAL):
            replay.api.answer(dags["promotion"], run_id, APPROVAL, "Approve")
        return len(promotion.ledger(MODEL, lake=replay.lake)) > rows and not replay.api.count(
            dags.values(), ("queued", "running")
        )

    wait_for(decided, LIMIT, "the verdict on the challenger of the alarm")
    runs = {stage: replay.api.runs([dag])[before[stage] :] for stage, dag in dags.items()}
    assert {stage: [run["state"] for run in found] for stage, found in runs.items()} == {
        "training": ["success"],
        "promotion": ["success"],
    }
    assert runs["training"][0]["run_type"] == "asset_triggered"
    kept = monitoring.retrainings(MODEL, lake=replay.lake)[told:]
    assert [(row.action, row.why, row.as_of) for row in kept] == [
        ("retrain", ("drift",), end),
        ("started", ("drift",), end),
    ]
    (row,) = promotion.ledger(MODEL, lake=replay.lake)[rows:]
    assert (row.action, row.as_of) == ("promoted", end)
    assert promotion.resolve_champion(MODEL, lake=replay.lake, settings=replay.settings) == row.challenger
    alarm = monitoring.last_alarm(model, lake=replay.lake)
    assert alarm is not None
    assert (alarm.open, alarm.challenger, alarm.outcome) == (True, row.challenger, "promoted")
    assert monitoring.retrain_signal(model, lake=replay.lake) is None
    with capsys.disabled():
        print("\n" + times(raised, kept[-1].at, runs, row.at))  # noqa: T201


def times(raised: datetime, claimed: datetime, runs: dict[str, Any], promoted: datetime) -> str:
    """Say how long each step took, in seconds after the alarm."""
    training, judging = runs["training"][0], runs["promotion"][0]
    steps = {
        "the watcher's run starts": utc(training["start_date"]),
        "claimed": claimed,
        "challenger registered": utc(training["end_date"]),
        "promotion starts": utc(judging["start_date"]),
        "champion": promoted,
    }
    return "; ".join(["alarm 0 s", *(f"{name} {(at - raised).total_seconds():.1f} s" for name, at in steps.items())])
