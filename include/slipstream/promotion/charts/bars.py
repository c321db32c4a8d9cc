"""Bars: a value for each block of time, and how often a value was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from slipstream.promotion.charts.plane import GREY, MARK, OURS, THEIRS, WIDTH, Plane, frame, levels, span, svg, uprights

if TYPE_CHECKING:
    from slipstream.promotion.charts.plane import Floats

MOST_BINS = 60
_NAMES = 140.0  # pixels for the names of the lines


def bars(values: Floats, *, marked: Mapping[str, float], across: str, up: str, title: str) -> str:
    """Return a bar a value, in order, up or down from zero, with named horizontal lines."""
    low, high = span([0.0, *values.tolist(), *marked.values()])
    plane = Plane((0.0, float(max(len(values), 1))), (low, high), width=WIDTH + _NAMES, right=_NAMES)
    shapes = [
        plane.box((number + 0.1, number + 0.9), (0.0, value), OURS if value > 0 else THEIRS)
        for number, value in enumerate(values.tolist())
    ]
    shapes.append(plane.line([(0, 0), (len(values), 0)], GREY))
    shapes += levels(plane, list(marked.items()))
    return svg(plane, [*frame(plane, across=across, up=up, ticks_across=False), *shapes], title=title)


def histogram(
    values: Floats, *, interval: Sequence[float] | None, marked: Mapping[str, float], across: str, title: str
) -> str:
    """Return how often values were drawn, with an interval as a bar on the floor and named upright lines."""
    around = [float(values.min()), float(values.max()), *(interval or ()), *marked.values()]
    low, high = span(around)
    counts, edges = np.histogram(values, bins=MOST_BINS, range=(low, high))
    share = counts / max(len(values), 1)
    plane = Plane((low, high), (0.0, float(share.max()) * 1.15 or 1.0))
    shapes = [
        plane.box((left, right), (0.0, tall), OURS, opacity=0.55)
        for left, right, tall in zip(edges[:-1].tolist(), edges[1:].tolist(), share.tolist(), strict=True)
        if tall
    ]
    if interval is not None:
        left, right = (min(max(value, low), high) for value in interval)
        thick = plane.up[1] * 0.02
        shapes.append(plane.box((left, right), (-thick, thick), MARK))
    shapes += uprights(plane, list(marked.items()))
    return svg(plane, [*frame(plane, across=across, up="share of resamples"), *shapes], title=title)
