"""How often monitoring raises a false alarm, and how soon a true one: found out on a version's own reference sample.

Windows are drawn from the reference, so nothing has shifted in them; then one thing is shifted. They are judged by the
functions that judge real windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.monitoring.baseline import open_baseline
from slipstream.monitoring.columns import compare_columns, judge_columns
from slipstream.monitoring.performance import judge_loss
from slipstream.monitoring.resampling import WEEK, windows_of
from slipstream.monitoring.shifts import Shift, shifts
from slipstream.monitoring.state import Verdicts, persists
from slipstream.monitoring.verdicts import KINDS, verdicts_of

if TYPE_CHECKING:
    import pandas as pd

    from slipstream.definitions import Model
    from slipstream.monitoring.baseline import Baseline
    from slipstream.monitoring.distances import Floats
    from slipstream.promotion import Registry

YEAR = 365
CHUNK = 256  # windows at a time: 4,000 rows of them are 8 MB

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
    base, dice = open_baseline(model, version, registry, keep=False), np.random.default_rng(seed)
    injected = list(shifts(base.usual, base.loaded, base.weights, seed))
    progress(0, 1 + len(injected))
    opened = _false_alarms(base, round(years * YEAR), block, dice)
    caught = []
    for number, shift in enumerate(injected, start=1):
        progress(number, 1 + len(injected))
        caught.append(_catch(base, shift, trials, patience, block, dice))
    progress(1 + len(injected), 1 + len(injected))
    return SelfTest(
        model=model.name,
        version=version,
        rows=base.reference.num_rows,
        days=len(base.days.there),
        per_window=round(base.per_day * base.length),
        years=years,
        trials=trials,
        patience=patience,
        seed=seed,
        false_alarms={kind: round(count / years, 2) for kind, count in opened.items()},
        shifts=tuple(caught),
        settings=model.monitoring.model_dump(mode="json"),
    )


def _false_alarms(base: Baseline, days: int, block: int, dice: np.random.Generator) -> dict[str, int]:
    """Return how many alarms are opened, by kind; ``any`` counts the times that there was none before."""
    drawn = base.days.draw(base.length + base.lag + days, dice, block=block)
    counts = base.days.counts(drawn, base.usual.weight, base.per_day, dice)
    windows = _windows(base, counts)
    alarms = _alarms(base, list(_verdicts(base, *windows, base.usual.frame, base.loss(base.usual))))
    opened = dict.fromkeys((*KINDS, "any"), 0)
    for before, now in zip([set(), *alarms], alarms, strict=False):
        for kind in now - before:
            opened[kind] += 1
        opened["any"] += bool(now and not before)
    return opened


def _catch(base: Baseline, shift: Shift, trials: int, patience: int, block: int, dice: np.random.Generator) -> Caught:
    """Return what became of a shift in ``trials`` stretches of days that it begins in the middle of."""
    import pandas as pd

    frame = pd.concat([base.usual.frame, shift.rows.frame], ignore_index=True)
    losses = np.concatenate([base.loss(base.usual), base.loss(shift.rows)])
    drawn = [_windows(base, _stretch(base, shift, patience, block, dice)) for _ in range(trials)]
    every, matured = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    verdicts = list(_verdicts(base, every, matured, frame, losses))
    each = len(verdicts) // trials
    found = [_first_alarm(base, verdicts[start : start + each], patience) for start in range(0, each * trials, each)]
    waits = [wait for wait, _ in found]
    kinds = Counter(kind for _, new in found for kind in sorted(new)[:1])
    median = float(np.median(waits))
    return Caught(
        shift=shift.name,
        column=shift.column,
        windows=median if np.isfinite(median) else None,
        never=round(float(np.isinf(waits).mean()), 3),
        by=kinds.most_common(1)[0][0] if kinds else None,
    )


def _stretch(base: Baseline, shift: Shift, patience: int, block: int, dice: np.random.Generator) -> Floats:
    """Return counts of usual rows, then of shifted ones, on days in a row: ``(days, usual rows + shifted rows)``."""
    before = base.length + base.lag + (base.model.monitoring.persistence.windows - 1) * base.step
    length = before + patience * base.step
    begin = int(dice.integers(WEEK))  # a shift may begin on any day of the week
    days = base.days.draw(length + WEEK, dice, block=block)[begin : begin + length]
    usual = base.days.counts(days[:before], base.usual.weight, base.per_day, dice)
    shifted = base.days.counts(days[before:], shift.rows.weight, base.per_day, dice)
    return np.block([[usual, np.zeros_like(usual)], [np.zeros_like(shifted), shifted]])


def _first_alarm(base: Baseline, verdicts: Sequence[Verdicts], patience: int) -> tuple[float, set[str]]:
    """Return how many windows a shift went on until an alarm was new, and which; infinity and none where it was not."""
    alarms = _alarms(base, verdicts)
    first = len(alarms) - patience
    open_before = alarms[first - 1] if first > 0 else set()
    for number, now in enumerate(alarms[first:], start=1):
        if now - open_before:
            return float(number), now - open_before
    return float("inf"), set()


def _windows(base: Baseline, drawn: Floats) -> tuple[Floats, Floats]:
    """Return the windows of ``drawn``, counts by day, and beside each the one whose labels are mature at its end."""
    days, skip = len(drawn), base.lag
    every, matured = (windows_of(part, base.length, base.step) for part in (drawn[skip:], drawn[: days - skip]))
    return every, matured


def _verdicts(base: Baseline, every: Floats, matured: Floats, pool: pd.DataFrame, losses: Floats) -> Iterator[Verdicts]:
    """Yield the verdicts on each window, whose rows are counts ``(windows, rows)`` over those of ``pool``."""
    model, bounds = base.model, base.model.monitoring
    then = (np.arange(len(pool)) < base.reference.num_rows).astype(np.float64)
    for start in range(0, len(every), CHUNK):
        now, known = (part[start : start + CHUNK] for part in (every, matured))
        found = compare_columns(pool, now, then, base.kinds, bounds)
        loss = known @ losses / np.maximum(known.sum(axis=1), 1)
        for window, value in enumerate(loss):
            rows, labels = (round(float(part[window].sum())) for part in (now, known))
            metrics = judge_columns(found, window, bounds, base.weights, base.noise) if base.enough(rows) else []
            if base.enough(labels):
                about = {"rows": labels, "reference_rows": base.reference.num_rows}
                metrics.append(judge_loss(model, float(value), base.reference_loss, noise=base.noise.loss, **about))
            verdicts = verdicts_of(model, metrics)
            yield {each.metric: None if each.value is None else each.alarm for each in verdicts}


def _alarms(base: Baseline, verdicts: Sequence[Verdicts]) -> list[set[str]]:
    """Return the alarms that are open after each window."""
    persistence = base.model.monitoring.persistence
    found = []
    for number in range(1, len(verdicts) + 1):
        recent = verdicts[max(0, number - persistence.windows) : number]
        found.append({kind for kind in KINDS if persists([each.get(kind) for each in recent], persistence)})
    return found
