"""The point-in-time join as one would write it to be sure of it: plain loops, no reduction, no Arrow kernels.

It shares no code with the library. `test_pointintime.py` compares the two.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class NaiveView:
    keys: Mapping[str, str]
    rows: Sequence[Row]
    features: Mapping[str, str]
    ttl: timedelta | None


def naive_join(population: Sequence[Row], views: Sequence[NaiveView], *, time: str = "prediction_time") -> list[Row]:
    joined = []
    for row in population:
        result = dict(row)
        for view in views:
            last = last_known(row, view, row[time])
            for output, feature in view.features.items():
                result[output] = None if last is None else last[feature]
        joined.append(result)
    return joined


def last_known(row: Row, view: NaiveView, at: datetime) -> Row | None:
    best: Row | None = None
    for candidate in view.rows:
        if not same_entity(row, candidate, view.keys):
            continue
        if candidate["known_at"] > at:
            continue
        if best is None or order_of(candidate, view) > order_of(best, view):
            best = candidate
    if best is None:
        return None
    if view.ttl is not None and at - best["event_time"] > view.ttl:
        return None
    return best


def same_entity(row: Row, candidate: Row, keys: Mapping[str, str]) -> bool:
    for population_key, view_key in keys.items():
        left, right = row[population_key], candidate[view_key]
        if left is None or right is None or left != right:
            return False
    return True


def order_of(candidate: Row, view: NaiveView) -> tuple[Any, ...]:
    """Return what rows compare by: when it was so, when it was known, then every feature by name."""
    features = sorted(set(candidate) - set(view.keys.values()) - {"event_time", "known_at"})
    values = tuple(comparable(candidate[name]) for name in features)
    return (candidate["event_time"], candidate["known_at"], values)


def comparable(value: Any) -> tuple[Any, ...]:
    """Order values: null, then ascending with -0.0 before 0.0, then NaN; text by its bytes, a list by its text."""
    if value is None:
        return (0,)
    if isinstance(value, float):
        if math.isnan(value):
            return (2,)
        return (1, value, 0 if struct.pack(">d", value)[0] & 0x80 else 1)
    if isinstance(value, str):
        return (1, value.encode())
    if isinstance(value, (list, dict)):
        return (1, repr(value).encode())
    return (1, value)
