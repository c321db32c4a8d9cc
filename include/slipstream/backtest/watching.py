"""What monitoring would have said at the end of an interval, by the functions that its tasks call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.backtest.rows import ROW
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.backtest.rows import Rows
    from slipstream.backtest.store import Store
    from slipstream.backtest.versions import Version
    from slipstream.definitions import Model
    from slipstream.monitoring import Measurement


@dataclass
class Service:
    """Which version served from which prediction_time on, and what it said: NaN where nobody was asked."""

    turns: list[tuple[datetime, Version]]
    scores: NDArray[np.float64]

    def serving(self, moment: datetime) -> Version | None:
        """Return the version that served just before ``moment``."""
        return next((version for start, version in reversed(self.turns) if start < moment), None)

    def between(self, window: Interval) -> list[tuple[str, str]]:
        """Return who served from when on in ``window``: all that its scores depend on."""
        ends = [start for start, _ in self.turns[1:]] + [window.end]
        spans = zip(self.turns, ends, strict=True)
        return [
            (iso(max(at, window.start)), who.key) for (at, who), end in spans if at < window.end and end > window.start
        ]


def watches(model: Model) -> bool:
    """Say whether what monitoring finds can start a training of ``model``."""
    return bool({"drift", "performance"} & set(model.retraining.reasons))


def watch(
    model: Model, interval: Interval, service: Service, newest: datetime, rows: Rows, store: Store
) -> dict[str, Any]:
    """Return alarms, whether to retrain and why, at the end of ``interval``; ``newest`` is of the last training."""
    from slipstream.monitoring.decision import judge, verdicts_of

    metrics = _measured(model, interval, service, rows, store)
    alarms = [each.metric for each in verdicts_of(model, metrics) if each.alarm]
    retrain, reason = judge(model, interval, alarms, newest)
    return {"alarms": alarms, "retrain": retrain, "reason": reason}


def _measured(model: Model, interval: Interval, service: Service, rows: Rows, store: Store) -> tuple[Measurement, ...]:
    from slipstream.monitoring.inputs import drift_window, performance_window
    from slipstream.monitoring.rows import measurements

    drift, performance = drift_window(model, interval), performance_window(model, interval)
    parts = {
        "monitoring": model.monitoring.model_dump(mode="json"),
        "interval": str(interval),
        "served": [service.between(drift), service.between(performance)],
    }

    def make() -> Mapping[str, Any]:
        found = [*_drift(model, drift, service, rows), *_performance(model, performance, interval, service, rows)]
        return {"metrics": [each.as_dict() for each in found]}

    return measurements(store.remember("monitoring", parts, make)["metrics"])


def _drift(model: Model, window: Interval, service: Service, rows: Rows) -> Sequence[Measurement]:
    import pyarrow as pa

    from slipstream.features.sampling import below, limit_of
    from slipstream.monitoring.drift import _measure
    from slipstream.monitoring.rows import Measurement

    version = service.serving(window.end)
    found, first = rows.predicted(window.start, window.end)
    scores = service.scores[first : first + found.num_rows]
    found = found.append_column("score", pa.array(scores)).filter(pa.array(~np.isnan(scores)))
    number, keys, size = found.num_rows, [*model.key, "prediction_time"], model.monitoring.sample
    if version is None or number < model.monitoring.min_rows:
        note = f"{number} predictions in the window; fewer than {model.monitoring.min_rows} are not judged."
        return [Measurement("drift", "window", "count", float(number), None, False, number, 0, note)]
    sampled = (
        each.filter(pa.array(below(each, keys, limit_of(each, keys, size)))) for each in (found, version.reference)
    )
    current, reference = sampled
    return _measure(model, current, reference, version.kinds)[1]


def _performance(
    model: Model, window: Interval, interval: Interval, service: Service, rows: Rows
) -> Sequence[Measurement]:
    import pyarrow as pa

    from slipstream.monitoring.performance import _measure

    version = service.serving(window.end) or service.turns[0][1]
    population, first = rows.predicted(window.start, window.end)
    predictions = int((~np.isnan(service.scores[first : first + population.num_rows])).sum())
    known = rows.known(window.start, window.end, interval.end)
    scores = service.scores[known[ROW].to_numpy()]
    labelled = known.drop_columns([ROW]).append_column("score", pa.array(scores)).filter(pa.array(~np.isnan(scores)))
    return _measure(model, labelled, version.reference, predictions)
