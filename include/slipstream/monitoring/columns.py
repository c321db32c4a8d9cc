"""The columns of a window against those of the reference, and what is beyond bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from slipstream.monitoring.rows import Measurement
from slipstream.promotion.frames import NUMBER

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from slipstream.definitions.model import Monitoring
    from slipstream.monitoring.distances import Distances, Floats

SCORE = "score"
MIN_VALUES = 30  # fewer say nothing about a distribution
DIGITS = 9  # sums over categories differ in the last bits from one process to the next
LITTLE_USED = 0.01  # a feature of a smaller share of the attributions is one that the model does not use


@dataclass(frozen=True)
class Noise:
    """What a window's numbers may be by chance, by column: whatever the thresholds say, nothing below is an alarm.

    Attributes:
        distances: Effect sizes.
        missing: Gains of the share of missing values.
        loss: The loss that is judged.
    """

    distances: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    loss: float = 0.0


NO_NOISE = Noise()


def columns_frame(rows: pa.Table, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return columns as the estimator sees them; an infinite number counts as missing."""
    import numpy as np

    from slipstream.promotion.frames import model_frame

    return model_frame(rows, kinds).replace([np.inf, -np.inf], np.nan)


def compare_frames(
    now: pd.DataFrame, then: pd.DataFrame, kinds: Mapping[str, str], bounds: Monitoring
) -> dict[str, Distances]:
    """Return the distance of each column of one window from the reference."""
    import numpy as np
    import pandas as pd

    pool = pd.concat([now[list(kinds)], then[list(kinds)]], ignore_index=True)
    is_now = np.arange(len(pool)) < len(now)
    return compare_columns(pool, is_now[None, :].astype(float), (~is_now).astype(float), kinds, bounds)


def compare_columns(
    pool: pd.DataFrame, now: Floats, then: Floats, kinds: Mapping[str, str], bounds: Monitoring
) -> dict[str, Distances]:
    """Return each column's distances; ``now``, ``(windows, rows)``, and ``then``, ``(rows,)``, weigh rows."""
    import pandas as pd

    from slipstream.monitoring.distances import category_distances, number_distances

    found = {}
    for name, kind in kinds.items():
        if kind == NUMBER:
            found[name] = number_distances(pool[name].to_numpy(), now, then, bounds.number_method)
        else:
            codes = pd.factorize(pool[name], sort=True)[0]
            found[name] = category_distances(codes, now, then, bounds.category_method)
    return found


def judge_columns(
    found: Mapping[str, Distances],
    window: int,
    bounds: Monitoring,
    weights: Mapping[str, float],
    noise: Noise = NO_NOISE,
) -> list[Measurement]:
    """Return what was measured in one of the windows: missing values, drift, and the significance of small samples.

    A threshold is that of the settings, or the noise of the column where that is more.
    """
    rows = []
    for name in (each for each in found if each in weights):
        limit = max(bounds.missing_threshold, noise.missing.get(name, 0.0))
        rows.append(_missing(name, found[name], window, limit, weights[name]))
    for name, each in found.items():
        limit = max(bounds.drift_threshold, noise.distances.get(name, 0.0))
        rows.append(_drift(name, each, window, limit, weights.get(name)))
    small = [name for name, each in found.items() if _is_small(each, window, bounds)]
    return _tested(rows, {name: found[name] for name in small}, window, bounds) if small else rows


def _is_small(found: Distances, window: int, bounds: Monitoring) -> bool:
    values = min(found.rows[window], found.reference_rows)
    return bool(MIN_VALUES <= values < bounds.small_sample)


def _missing(name: str, found: Distances, window: int, limit: float, weight: float) -> Measurement:
    share, before = float(found.missing[window]), found.reference_missing
    gain = round(share - before, DIGITS)
    return Measurement(
        kind="data_quality",
        metric=name,
        method="missing_share_gain",
        value=gain,
        threshold=limit,
        alarm=gain > limit,
        rows=round(float(found.size[window])),
        reference_rows=round(found.reference_size),
        note=f"{share:.1%} missing, {before:.1%} in the reference",
        weight=weight,
    )


def _drift(name: str, found: Distances, window: int, limit: float, weight: float | None) -> Measurement:
    rows, value = float(found.rows[window]), float(found.values[window])
    enough = min(rows, found.reference_rows) >= MIN_VALUES and math.isfinite(value)
    alarm = enough and round(value, DIGITS) > limit
    unused = alarm and weight is not None and weight < LITTLE_USED
    return Measurement(
        kind="prediction_drift" if name == SCORE else "target_drift" if name == "label" else "drift",
        metric=name,
        method=found.method,
        value=round(value, DIGITS) if enough else None,
        threshold=limit,
        alarm=alarm,
        rows=round(rows),
        reference_rows=round(found.reference_rows),
        note="the model hardly uses it" if unused else "" if enough else f"fewer than {MIN_VALUES} values on one side",
        weight=weight,
    )


def _tested(
    rows: list[Measurement], small: Mapping[str, Distances], window: int, bounds: Monitoring
) -> list[Measurement]:
    """Add the adjusted p-values of ``small``, and take back the alarm of what could be chance."""
    import numpy as np

    from slipstream.monitoring.distances import adjusted

    features = [name for name in small if name not in (SCORE, "label")]
    values = {name: float(small[name].p_values[window]) for name in small}
    corrected = adjusted(np.array([values[name] for name in features]))
    values |= dict(zip(features, corrected.tolist(), strict=True))
    limit, found = bounds.false_discovery_rate, []
    for row in rows:
        if row.metric in small and row.alarm and row.kind != "data_quality" and not values[row.metric] <= limit:
            found.append(replace(row, alarm=False, note=f"p {values[row.metric]:.3g}: may be chance in a small sample"))
        else:
            found.append(row)
    for name, p_value in values.items():
        shown = round(p_value, DIGITS) if math.isfinite(p_value) else None
        count, reference = round(float(small[name].rows[window])), round(small[name].reference_rows)
        how = f"{small[name].test}, adjusted for {len(features)} features" if name in features else small[name].test
        found.append(
            Measurement("significance", name, "p_value", shown, limit, p_value <= limit, count, reference, how)
        )
    return found
