"""What monitoring would have said at the end of an interval, by the functions that its tasks call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slipstream.backtest.rows import ROW
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.backtest.rows import Rows
    from slipstream.backtest.store import Store
    from slipstream.backtest.versions import Version
    from slipstream.definitions import Model
    from slipstream.monitoring import Measurement
    from slipstream.monitoring.columns import Noise

TIME = "prediction_time"
Verdicts = Mapping[str, bool | None]


@dataclass
class Service:
    """Which version served from which prediction_time on, and what it said: NaN where nobody was asked."""

    turns: list[tuple[datetime, Version]]
    scores: NDArray[np.float64]
    verdicts: list[tuple[str, Verdicts]] = field(default_factory=list)  # of each window: its newest version's key

    @property
    def since(self) -> datetime:
        return self.turns[0][0]

    def within(self, window: Interval) -> list[tuple[Interval, Version]]:
        """Return who served when in ``window``, oldest first."""
        ends = [start for start, _ in self.turns[1:]] + [window.end]
        spans = zip(self.turns, ends, strict=True)
        own = ((max(at, window.start), min(end, window.end), who) for (at, who), end in spans)
        return [(Interval(start, end), who) for start, end, who in own if start < end]


def watches(model: Model) -> bool:
    """Say whether what monitoring finds can start a training of ``model``."""
    return bool({"drift", "performance"} & set(model.retraining.reasons))


def watch(
    model: Model, interval: Interval, service: Service, newest: datetime, rows: Rows, store: Store
) -> dict[str, Any]:
    """Return alarms, whether to retrain and why, at the end of ``interval``; ``newest`` is of the last training."""
    from slipstream.monitoring.decision import free_from, judge
    from slipstream.monitoring.verdicts import KINDS

    served = service.within(interval)
    serving = served[-1][1] if served else service.turns[0][1]
    # A verdict that no decision can depend on any more is not worth its time.
    free = free_from(model, newest, serving.as_of)
    if free is not None and interval.end < free - model.monitoring.persistence.windows * interval.length:
        return {"alarms": [], "retrain": False, "reason": "No training may start yet."}
    service.verdicts.append((serving.key, _verdicts(model, interval, service, rows, store)))
    alarms = [kind for kind in KINDS if _persists(model, kind, service)]
    retrain, reason = judge(model, interval, alarms, newest, serving.as_of)
    return {"alarms": alarms, "retrain": retrain, "reason": reason}


def _persists(model: Model, kind: str, service: Service) -> bool:
    """Say whether a kind is an alarm: windows of another version than the newest one's count as not judged."""
    from slipstream.monitoring.state import persists

    recent = service.verdicts[-model.monitoring.persistence.windows :]
    own = [verdicts.get(kind) if key == recent[-1][0] else None for key, verdicts in recent]
    return persists(own, model.monitoring.persistence)


def _verdicts(model: Model, interval: Interval, service: Service, rows: Rows, store: Store) -> Verdicts:
    from slipstream.monitoring.inputs import drift_window, performance_window
    from slipstream.monitoring.rows import measurements
    from slipstream.monitoring.verdicts import verdicts_of

    drift, performance = drift_window(model, interval), performance_window(model, interval)
    served = [[(str(span), who.key) for span, who in service.within(each)] for each in (drift, performance)]
    parts = {
        "monitoring": model.monitoring.model_dump(mode="json", exclude={"persistence"}),
        "interval": str(interval),
        "since": iso(service.since),
        "served": served,
    }

    def make() -> Mapping[str, Any]:
        found = [
            *_drift(model, drift, service, rows, store),
            *_performance(model, performance, interval, service, rows, store),
        ]
        return {"metrics": [each.as_dict() for each in found]}

    metrics = measurements(store.remember("monitoring", parts, make)["metrics"])
    return {each.metric: None if each.value is None else each.alarm for each in verdicts_of(model, metrics)}


def _drift(model: Model, window: Interval, service: Service, rows: Rows, store: Store) -> Sequence[Measurement]:
    from slipstream.monitoring.columns import SCORE, columns_frame, compare_frames, judge_columns
    from slipstream.promotion.frames import NUMBER

    served, bounds = service.within(window), model.monitoring
    found, first = rows.predicted(window.start, window.end)
    if window.start < service.since or found.num_rows < bounds.min_rows or not served:
        return []
    current = _sampled(_with_score(found, service.scores[first : first + found.num_rows]), model)
    version = served[-1][1]
    # As in ``report_drift``: the scores of two versions are not judged together.
    kinds = {**version.kinds, SCORE: NUMBER} if len(served) == 1 else dict(version.kinds)
    then = _sampled(version.reference, model)
    now, before = columns_frame(current, kinds), columns_frame(then, kinds)
    return judge_columns(compare_frames(now, before, kinds, bounds), 0, bounds, *_usual(model, version, store))


def _usual(model: Model, version: Version, store: Store) -> tuple[Mapping[str, float], Noise]:
    """Return what drift of each feature weighs, and what is noise in the version's reference sample."""
    from slipstream.monitoring.baseline import Baseline
    from slipstream.monitoring.columns import Noise
    from slipstream.monitoring.importance import weigh

    bounds = model.monitoring.model_dump(mode="json", exclude={"persistence"})

    def make() -> Mapping[str, Any]:
        days = max((version.train_end - version.train_start) / timedelta(days=1), 1)
        loaded = version.load(model)
        # The registry is asked for attributions alone, and those are computed here.
        base = Baseline(model, cast("Any", None), loaded, version.reference, version.rows / days)
        return {"weights": weigh(loaded, version.reference).shares, "noise": asdict(base.noise)}

    found = store.remember("usual", {"version": version.key, "monitoring": bounds}, make)
    return found["weights"], Noise(**found["noise"])


def _performance(
    model: Model, window: Interval, interval: Interval, service: Service, rows: Rows, store: Store
) -> Sequence[Measurement]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from slipstream.monitoring.performance import measure_labelled

    served, bounds = service.within(window), model.monitoring
    if not served:
        return []
    span, version = served[-1]
    found, first = rows.predicted(max(window.start, service.since), window.end)
    numbers = pa.array(np.arange(first, first + found.num_rows))
    scored = _sampled(_with_score(found, service.scores[numbers.to_numpy()]).append_column(ROW, numbers), model)
    mine = scored.filter(pc.greater_equal(scored[TIME], pa.scalar(span.start, scored.schema.field(TIME).type)))
    known = rows.known(span.start, span.end, interval.end)
    labelled = known.filter(pc.is_in(known[ROW], mine[ROW].combine_chunks()))
    labelled = _with_score(labelled, service.scores[labelled[ROW].to_numpy()])
    all_mine, _ = rows.predicted(span.start, span.end)
    predictions = mine.num_rows
    labels = round(all_mine.num_rows * labelled.num_rows / predictions) if predictions else 0
    if labels < bounds.min_rows or labelled.num_rows < bounds.min_label_share * predictions:
        return []
    _, noise = _usual(model, version, store)
    return measure_labelled(model, labelled, version.reference, predictions, noise.loss)


def _with_score(rows: pa.Table, score: NDArray[np.float64]) -> pa.Table:
    import pyarrow as pa

    return rows.append_column("score", pa.array(score))


def _sampled(rows: pa.Table, model: Model) -> pa.Table:
    """Return the rows that a report reads of these, the same ones each time."""
    import pyarrow as pa

    from slipstream.features.sampling import below, limit_of

    keys, size = [*model.key, TIME], model.monitoring.sample
    return rows.filter(pa.array(below(rows, keys, limit_of(rows, keys, size)))) if rows.num_rows else rows
