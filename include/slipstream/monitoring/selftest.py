"""How often monitoring raises a false alarm, and how soon a true one: found out on a version's own reference sample.

Windows are drawn from the reference, so nothing has shifted in them; then one thing is shifted. They are judged by the
functions that judge real windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.errors import FatalError
from slipstream.intervals import Schedule
from slipstream.metrics import row_losses
from slipstream.monitoring.columns import SCORE, columns_frame, compare_columns, judge_columns
from slipstream.monitoring.performance import JUDGED, judge_loss
from slipstream.monitoring.resampling import WEEK, Days, windows_of
from slipstream.monitoring.shifts import Rows, Shift, shifts
from slipstream.monitoring.state import Verdicts, persists
from slipstream.monitoring.verdicts import KINDS, verdicts_of
from slipstream.promotion.frames import NUMBER

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from slipstream.definitions import Model
    from slipstream.monitoring.distances import Floats
    from slipstream.promotion import LoadedModel, Registry

DAY, YEAR = timedelta(days=1), 365
CHUNK = 256  # windows at a time: 4,000 rows of them are 8 MB
LOSS = {"log_loss": "log_loss", "mae": "absolute_error"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Caught:
    """What became of one shift.

    Attributes:
        windows: Windows until the alarm, the median over trials; None where half of them never raise one.
        never: Share of trials without an alarm in ``SelfTest.patience`` windows.
        by: The kind of alarm that came first most often; None where there was none.
    """

    shift: str
    column: str
    windows: float | None
    never: float
    by: str | None


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found.

    Attributes:
        rows, days: Of the reference sample.
        per_window: Rows of a window that was drawn.
        false_alarms: How many alarms are opened a year by chance, by kind, and ``any``.
        patience: How many windows a trial waits for an alarm.
    """

    model: str
    version: str
    rows: int
    days: int
    per_window: int
    years: float
    trials: int
    patience: int
    seed: int
    false_alarms: Mapping[str, float]
    shifts: tuple[Caught, ...]
    settings: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "shifts": [asdict(each) for each in self.shifts]}


@dataclass(frozen=True)
class Rig:
    """A version's reference, ready to draw windows from."""

    model: Model
    loaded: LoadedModel
    reference: pa.Table
    weights: Mapping[str, float]
    rate: float  # predictions a day

    @cached_property
    def usual(self) -> Rows:
        frame = columns_frame(self.reference, self.kinds)
        label = self.reference["label"].to_numpy().astype(np.float64)
        return Rows(frame, label, np.ones(len(label)))

    @cached_property
    def days(self) -> Days:
        return Days.of(self.reference["prediction_time"].to_pylist())

    @property
    def kinds(self) -> dict[str, str]:
        return {**self.loaded.kinds, SCORE: NUMBER}

    @property
    def length(self) -> int:
        """Days of a window."""
        return max(1, round(self.model.monitoring.window / DAY))

    @property
    def step(self) -> int:
        """Days from one window to the next; a schedule of several windows a day counts as one."""
        first = Schedule(self.model.monitoring.schedule).interval_at(self.model.start)
        return max(1, round(first.length / DAY))

    @property
    def lag(self) -> int:
        """Days until labels are mature."""
        return -(-self.model.label.maturity // DAY)

    @property
    def per_day(self) -> float:
        return min(float(self.model.monitoring.sample), self.rate * self.length) / self.length

    @cached_property
    def reference_loss(self) -> float:
        return float(self.loss(self.usual).mean())

    def loss(self, rows: Rows) -> Floats:
        return row_losses(LOSS[JUDGED[self.model.task]], rows.label, rows.frame[SCORE].to_numpy())


def open_rig(model: Model, version: str, registry: Registry) -> Rig:
    """Return what the self-test of a version needs; FatalError where its reference is empty."""
    from slipstream.monitoring.importance import importance_of

    details, reference = registry.details(model.name, version), registry.reference(model.name, version)
    if not reference.num_rows:
        message = f"{model.name} version {version} has no reference rows to draw windows from. Train a version anew."
        raise FatalError(message)
    days = max((details.train_end - details.train_start) / DAY, 1)
    rows = registry.dataset_rows(details.run_id) or reference.num_rows
    weights = importance_of(registry, model.name, version).shares
    return Rig(model, registry.load(model.name, version), reference, weights, rows / days)


def selftest(
    model: Model,
    version: str,
    *,
    registry: Registry,
    years: float = 5,
    trials: int = 40,
    patience: int = 14,
    block: int = 1,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> SelfTest:
    """Count the false alarms of ``years`` without a shift, and the windows until each of the injected shifts is alarm.

    The same seed gives the same numbers. ``block`` days of the reference stay together.
    """
    rig, dice = open_rig(model, version, registry), np.random.default_rng(seed)
    injected = list(shifts(rig.usual, rig.loaded, rig.weights, seed))
    progress(0, 1 + len(injected))
    opened = _false_alarms(rig, round(years * YEAR), block, dice)
    caught = []
    for number, shift in enumerate(injected, start=1):
        progress(number, 1 + len(injected))
        caught.append(_catch(rig, shift, trials, patience, block, dice))
    progress(1 + len(injected), 1 + len(injected))
    return SelfTest(
        model=model.name,
        version=version,
        rows=rig.reference.num_rows,
        days=len(rig.days.there),
        per_window=round(rig.per_day * rig.length),
        years=years,
        trials=trials,
        patience=patience,
        seed=seed,
        false_alarms={kind: round(count / years, 2) for kind, count in opened.items()},
        shifts=tuple(caught),
        settings=model.monitoring.model_dump(mode="json"),
    )


def _false_alarms(rig: Rig, days: int, block: int, dice: np.random.Generator) -> dict[str, int]:
    """Return how many alarms are opened, by kind; ``any`` counts the times that there was none before."""
    warm = rig.length + rig.lag
    drawn = rig.days.counts(rig.days.draw(warm + days, dice, block=block), rig.usual.weight, rig.per_day, dice)
    alarms = _alarms(rig, list(_verdicts(rig, drawn, rig.usual.frame, rig.loss(rig.usual))))
    opened = dict.fromkeys((*KINDS, "any"), 0)
    for before, now in zip([set(), *alarms], alarms, strict=False):
        for kind in now - before:
            opened[kind] += 1
        opened["any"] += bool(now and not before)
    return opened


def _catch(rig: Rig, shift: Shift, trials: int, patience: int, block: int, dice: np.random.Generator) -> Caught:
    import pandas as pd

    frame = pd.concat([rig.usual.frame, shift.rows.frame], ignore_index=True)
    losses = np.concatenate([rig.loss(rig.usual), rig.loss(shift.rows)])
    before = rig.length + rig.lag + (rig.model.monitoring.persistence.windows - 1) * rig.step
    waits, kinds = [], Counter[str]()
    for _ in range(trials):
        wait, found = _trial(rig, shift, frame, losses, before, patience, block, dice)
        waits.append(wait)
        kinds.update(sorted(found)[:1])
    median = float(np.median(waits))
    return Caught(
        shift=shift.name,
        column=shift.column,
        windows=median if np.isfinite(median) else None,
        never=round(float(np.isinf(waits).mean()), 3),
        by=kinds.most_common(1)[0][0] if kinds else None,
    )


def _trial(
    rig: Rig,
    shift: Shift,
    frame: pd.DataFrame,
    losses: Floats,
    before: int,
    patience: int,
    block: int,
    dice: np.random.Generator,
) -> tuple[float, set[str]]:
    """Return how many windows a shift went on until an alarm was new, and which; infinity and none where it was not."""
    after = patience * rig.step
    days = rig.days.draw(before + after + WEEK, dice, block=block)
    days = days[(begin := int(dice.integers(WEEK))) : begin + before + after]  # it may begin on any day of the week
    usual = rig.days.counts(days[:before], rig.usual.weight, rig.per_day, dice)
    shifted = rig.days.counts(days[before:], shift.rows.weight, rig.per_day, dice)
    drawn = np.block([[usual, np.zeros_like(usual)], [np.zeros_like(shifted), shifted]])
    alarms = _alarms(rig, list(_verdicts(rig, drawn, frame, losses)))
    first = len(alarms) - patience
    open_before = alarms[first - 1] if first > 0 else set()
    for number, now in enumerate(alarms[first:], start=1):
        if now - open_before:
            return float(number), now - open_before
    return float("inf"), set()


def _verdicts(rig: Rig, drawn: Floats, pool: pd.DataFrame, losses: Floats) -> Iterator[Verdicts]:
    """Yield the verdicts on each window of ``drawn``, counts ``(days, rows)`` over the rows of ``pool``."""
    model, bounds, skip = rig.model, rig.model.monitoring, rig.lag
    then = (np.arange(len(pool)) < rig.reference.num_rows).astype(np.float64)
    every, matured = (windows_of(part, rig.length, rig.step) for part in (drawn[skip:], drawn[: len(drawn) - skip]))
    for start in range(0, len(every), CHUNK):
        now = every[start : start + CHUNK]
        found = compare_columns(pool, now, then, rig.kinds, bounds)
        known = matured[start : start + CHUNK]
        loss = known @ losses / np.maximum(known.sum(axis=1), 1)
        for window, value in enumerate(loss):
            rows = round(float(now[window].sum()))
            metrics = judge_columns(found, window, bounds, rig.weights) if rows >= bounds.min_rows else []
            labels = round(float(known[window].sum()))
            if labels >= bounds.min_rows:
                about = {"rows": labels, "reference_rows": rig.reference.num_rows}
                metrics.append(judge_loss(model, float(value), rig.reference_loss, **about))
            verdicts = verdicts_of(model, metrics)
            yield {each.metric: None if each.value is None else each.alarm for each in verdicts}


def _alarms(rig: Rig, verdicts: Sequence[Verdicts]) -> list[set[str]]:
    """Return the alarms that are open after each window."""
    persistence = rig.model.monitoring.persistence
    found = []
    for number in range(1, len(verdicts) + 1):
        recent = verdicts[max(0, number - persistence.windows) : number]
        found.append({kind for kind in KINDS if persists([each.get(kind) for each in recent], persistence)})
    return found
