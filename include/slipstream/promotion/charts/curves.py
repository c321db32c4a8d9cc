"""Curves of two versions over the line on which they would be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from slipstream.promotion.charts.plane import COLOURS, GREY, TOP, Plane, Points, dot, frame, span, square, svg, words

if TYPE_CHECKING:
    from slipstream.promotion.charts.plane import Floats


def reliability(label: Floats, score: Floats, *, bins: int = 10) -> list[tuple[float, float]]:
    """Return mean score and mean label of equally filled bins, in order of the score."""
    parts = np.array_split(np.argsort(score, kind="stable"), min(bins, len(score)))
    return [(float(score[part].mean()), float(label[part].mean())) for part in parts if len(part)]


def lines(curves: Mapping[str, Points], *, across: str, up: str, title: str) -> str:
    """Return curves of points over the diagonal, on which both axes agree."""
    both = span([value for points in curves.values() for point in points for value in point])
    plane = Plane(both, both)
    shapes = [plane.line([(both[0], both[0]), (both[1], both[1])], GREY, dashed=True)]
    for number, (name, points) in enumerate(curves.items()):
        colour, mark = COLOURS[number % len(COLOURS)], square if number else dot
        shapes.append(plane.line(points, colour, dashed=number > 0))
        shapes += [mark(plane.x(x), plane.y(y), colour) for x, y in points]
        height = TOP + 16 * (number + 1)
        shapes += [mark(plane.left + 16, height - 4, colour), words(plane.left + 26, height, name)]
    return svg(plane, [*frame(plane, across=across, up=up), *shapes], title=title)
