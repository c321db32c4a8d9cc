"""Numbers of ours for whoever watches the platform, by Airflow's own StatsD or OpenTelemetry settings.

Each name ends with what it is about, as Airflow's own do, because plain StatsD has no tags. Where metrics are off,
nothing is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats

if TYPE_CHECKING:
    from slipstream.promotion import LedgerRow

log = logging.getLogger(__name__)
PREFIX = "slipstream"


def report(values: Mapping[str, float]) -> None:
    """Send each value as the gauge ``slipstream.<name>``; a metric that cannot be sent fails no task."""
    for name, value in values.items():
        try:
            Stats.gauge(f"{PREFIX}.{name}", value)
        except Exception:
            log.warning("The metric %s could not be sent.", name, exc_info=True)


def of_batch(source: str, published: Mapping[str, Any]) -> dict[str, float]:
    """Return what is to be told of a batch: its rows, and the share of them that went to quarantine."""
    rows = int(published["rows_in"])
    share = int(published["quarantined"]) / rows if rows else 0.0
    return {f"rows.{source}": rows, f"quarantine_share.{source}": share}


def of_rows(name: str, written: Mapping[str, Any]) -> dict[str, float]:
    """Return what is to be told of a written interval of a view or of predictions."""
    return {f"rows.{name}": int(written["rows"])}


def of_decision(model: str, decision: Mapping[str, Any], champion: LedgerRow | None) -> dict[str, float]:
    """Return what is to be told of a watched model: alarms, whether it retrains, its champion's age in days."""
    found = {f"alarms.{model}": len(decision["alarms"]), f"retrain.{model}": float(decision["retrain"])}
    if champion is None:
        return found
    return {**found, f"champion_age_days.{model}": (datetime.now(UTC) - champion.at).total_seconds() / 86_400}
