"""Two pictures of a comparison, drawn as SVG by hand: small, the same each time, and in need of no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 300, 70, 40, 14
COLOURS = ("#1f6feb", "#d1730f", "#3a7d44")
_GREY = "#8b95a1"
Points = Sequence[tuple[float, float]]


def reliability(label: Floats, score: Floats, *, bins: int = 10) -> list[tuple[float, float]]:
    """Return mean score and mean label of equally filled bins, in order of the score."""
    parts = np.array_split(np.argsort(score, kind="stable"), min(bins, len(score)))
    return [(float(score[part].mean()), float(label[part].mean())) for part in parts if len(part)]


def lines(curves: Mapping[str, Points], *, across: str, up: str) -> str:
    """Return curves of points over the diagonal, on which both axes agree."""
    values = [value for points in curves.values() for point in points for value in point]
    low, high = _span(values)
    place = _Plane(low, high, low, high)
    shapes = [place.line([(low, low), (high, high)], _GREY, dashed=True)]
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        shapes.append(place.line(points, colour))
        shapes += [_dot(*place.at(x, y), colour) for x, y in points]
        shapes.append(_text(LEFT + 12, TOP + 16 * (number + 1), name, colour=colour))
    return _svg(place, shapes, across=across, up=up)


def bars(values: Floats, *, marks: Mapping[str, float], across: str, up: str) -> str:
    """Return a bar a value, in order, with named horizontal lines."""
    low, high = _span([0.0, *values.tolist(), *marks.values()])
    place = _Plane(0.0, float(max(len(values), 1)), low, high)
    shapes = []
    for number, value in enumerate(values.tolist()):
        left, zero = place.at(number + 0.1, 0.0)
        right, top = place.at(number + 0.9, value)
        colour = COLOURS[0] if value > 0 else COLOURS[1]
        shapes.append(
            f'<rect x="{left:.1f}" y="{min(zero, top):.1f}" width="{right - left:.2f}" '
            f'height="{abs(zero - top):.2f}" fill="{colour}"/>'
        )
    shapes.append(place.line([(0, 0), (len(values), 0)], _GREY))
    for number, (name, value) in enumerate(marks.items()):
        colour = COLOURS[-1]
        shapes.append(place.line([(0, value), (len(values), value)], colour, dashed=number > 0))
        shapes.append(_text(WIDTH - 4, place.at(0, value)[1] - 3, f"{name} {value:.4g}", colour=colour, end=True))
    return _svg(place, shapes, across=across, up=up, ticks=False)


class _Plane:
    """Turns values into places on the picture."""

    def __init__(self, left: float, right: float, low: float, high: float) -> None:
        self.left, self.right, self.low, self.high = left, right, low, high

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.left) / (self.right - self.left)
        up = (y - self.low) / (self.high - self.low)
        return LEFT + across * (WIDTH - LEFT - 10), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP)

    def line(self, points: Points, colour: str, *, dashed: bool = False) -> str:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*point) for point in points))
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _text(x: float, y: float, words: str, *, colour: str = "#1c2430", end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{anchor}>{escape(words)}</text>'


def _svg(place: _Plane, shapes: Sequence[str], *, across: str, up: str, ticks: bool = True) -> str:
    floor = HEIGHT - BOTTOM
    frame = [
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - 10}" fill="none" stroke="{_GREY}"/>',
        _text(WIDTH - 10, HEIGHT - 6, across, end=True),
        f'<text x="{-TOP}" y="14" transform="rotate(-90)" text-anchor="end">{escape(up)}</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = place.low + share * (place.high - place.low)
        frame.append(_text(LEFT - 6, place.at(place.left, y)[1] + 4, f"{y:.3g}", end=True))
        if ticks:
            x = place.left + share * (place.right - place.left)
            frame.append(_text(place.at(x, place.low)[0] + 10, floor + 16, f"{x:.3g}", end=True))
    inside = "\n".join([*frame, *shapes])
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">'
    return f"{head}\n<title>{escape(up)}</title>\n{inside}\n</svg>"
