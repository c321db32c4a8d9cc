"""Numbers for whoever watches the platform."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from slipstream_airflow import metrics


def test_a_batch_tells_its_rows_and_the_share_in_quarantine() -> None:
    told = metrics.of_batch("weather", {"rows_in": 40, "quarantined": 10})
    assert told == {"rows.weather": 40, "quarantine_share.weather": 0.25}


def test_an_empty_batch_has_no_share_in_quarantine() -> None:
    assert metrics.of_batch("weather", {"rows_in": 0, "quarantined": 0})["quarantine_share.weather"] == 0


def test_a_watched_model_tells_its_alarms_and_how_old_its_champion_is() -> None:
    champion = SimpleNamespace(at=datetime.now(UTC) - timedelta(days=3))
    told = metrics.of_decision("late", {"alarms": ["drift"], "retrain": True}, champion)
    assert told["alarms.late"] == 1
    assert told["retrain.late"] == 1
    assert told["champion_age_days.late"] == pytest.approx(3, abs=0.1)
    assert "champion_age_days.late" not in metrics.of_decision("late", {"alarms": [], "retrain": False}, None)


def test_a_metric_that_cannot_be_sent_fails_no_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        message = "no server"
        raise OSError(message)

    monkeypatch.setattr(metrics.Stats, "gauge", broken)
    with caplog.at_level(logging.WARNING):
        metrics.report({"rows.weather": 1})
    assert "rows.weather could not be sent" in caplog.text


def test_the_names_are_those_of_the_page() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs" / "how-to" / "production.md").read_text(encoding="utf-8")
    names = [
        *metrics.of_batch("<source>", {"rows_in": 1, "quarantined": 0}),
        *metrics.of_rows("<view>", {"rows": 1}),
        *metrics.of_decision("<model>", {"alarms": [], "retrain": False}, SimpleNamespace(at=datetime.now(UTC))),
    ]
    assert [name for name in names if f"`slipstream.{name}`" not in page] == []
