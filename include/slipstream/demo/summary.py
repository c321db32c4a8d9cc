"""What the demo came to: one table, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipstream.definitions import Definitions
    from slipstream.lake import Lake
    from slipstream.settings import Settings


def summary(
    *, definitions: Definitions, lake: Lake, settings: Settings, seconds: Mapping[str, float], models: tuple[str, ...]
) -> dict[str, Any]:
    """Read from the lake, the registry and the ledger what the demo has done."""
    from slipstream.promotion.recorded import last_verdict

    return {
        "rows": [_rows(lake, name) for name in definitions.sources],
        "intervals": {
            name: len(lake.table(name).intervals()) for name in lake.tables() if not name.startswith("ledger")
        },
        "versions": [row for name in models for row in _versions(name, settings)],
        "verdicts": [row for name in models for row in _verdicts(name, lake)],
        "last_verdicts": [last_verdict(name, lake=lake, settings=settings).as_dict() for name in models],
        "drift": [_drift(definitions.model(name), lake) for name in models],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def _rows(lake: Lake, source: str) -> dict[str, Any]:
    accepted = sum(commit.rows for commit in _current(lake, f"raw/{source}"))
    quarantined = sum(commit.rows for commit in _current(lake, f"quarantine/{source}"))
    return {"source": source, "rows_in": accepted + quarantined, "accepted": accepted, "quarantined": quarantined}


def _current(lake: Lake, name: str) -> list[Any]:
    """Return the commit behind the present content of every interval."""
    table = lake.table(name)
    if not table.exists():
        return []
    newest: dict[Any, Any] = {}
    for commit in table.commits():
        newest.setdefault(commit.interval, commit)
    return [commit for interval, commit in newest.items() if interval is not None]


def _versions(model: str, settings: Settings) -> list[dict[str, Any]]:
    from slipstream.promotion import Registry

    registry = Registry.from_settings(settings)
    rows = []
    for version in sorted(registry.versions(model), key=int):
        details = registry.details(model, version)
        metrics = registry.client.get_run(details.run_id).data.metrics
        kept = {
            name.removeprefix("validation."): value for name, value in metrics.items() if name.startswith("validation.")
        }
        rows.append(
            {"model": model, "version": version, "trained_until": f"{details.train_end:%Y-%m-%d}", **_few(kept)}
        )
    return rows


def _few(metrics: Mapping[str, float]) -> dict[str, str]:
    wanted = ("log_loss", "roc_auc", "brier", "mae", "rmse", "r2", "mean_absolute_error", "root_mean_squared_error")
    shown = ", ".join(f"{name} {metrics[name]:.4f}" for name in wanted if name in metrics)
    return {"validation": shown or "-"}


def _verdicts(model: str, lake: Lake) -> list[dict[str, Any]]:
    from slipstream.promotion import ledger

    rows = []
    for row in ledger(model, lake=lake):
        if row.verdict is None:
            continue
        sentences = row.verdict.get("sentences") or []
        champion = row.verdict.get("champion") or "none"
        rows.append(
            {
                "model": model,
                "challenger": row.challenger,
                "champion_before": champion,
                "outcome": row.verdict["outcome"],
                "approval": _answer(row.approval),
                "because": " ".join(sentences) or row.reason,
            }
        )
    return rows


def _answer(approval: Mapping[str, Any] | None) -> str:
    if approval is None:
        return "-"
    return f"{approval['answer']} by {approval['by']}" if approval["by"] else "no answer"


def _drift(model: Any, lake: Lake) -> dict[str, Any]:
    from slipstream.monitoring import alarm_states, last_alarm, retrainings

    states = alarm_states(model, lake=lake)
    opened = {kind: each.at for each in reversed(states) for kind in each.alarms}
    alarms = ", ".join(f"{kind} ({at:%Y-%m-%d})" for kind, at in sorted(opened.items(), key=lambda each: each[::-1]))
    return {
        "model": model.name,
        "windows": len(states),
        "windows_with_an_alarm": sum(bool(each.alarms) for each in states),
        "alarms_since": alarms or "none found",
        "most_drifted": _most_drifted(model, lake) if states else "none found",
        "alarm": alarm.as_dict() if (alarm := last_alarm(model, lake=lake)) else None,
        "decisions": [row.as_dict() for row in retrainings(model, lake=lake) if row.action != "started"],
    }


def _most_drifted(model: Any, lake: Lake) -> str:
    """Name the features that drifted in most windows, with their number: the model's own weights are not asked."""
    import pyarrow.compute as pc

    rows = lake.table(model.monitoring_table).read(columns=["kind", "metric", "alarm", "compared_with"])
    drifted = rows.filter(
        (pc.field("kind") == "drift") & pc.field("alarm") & (pc.field("compared_with") == "reference")
    )
    counts: dict[str, int] = {}
    for name in drifted["metric"].to_pylist():
        counts[name] = counts.get(name, 0) + 1
    top = sorted(counts, key=lambda name: (-counts[name], name))[:3]
    return ", ".join(f"{name} ({counts[name]})" for name in top) or "none found"
