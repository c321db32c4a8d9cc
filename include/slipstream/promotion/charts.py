"""Pictures of comparisons, drawn as SVG by hand: small, the same each time, and in need of no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 300, 70, 40, 14
COLOURS = ("#1f6feb", "#d1730f", "#3a7d44", "#8b3fb0")
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
        colour = COLOURS[2]
        shapes.append(place.line([(0, value), (len(values), value)], colour, dashed=number > 0))
        shapes.append(_text(WIDTH - 14, TOP + 14 * (number + 1), f"{name} {value:.4g}", colour=colour, end=True))
    return _svg(place, shapes, across=across, up=up, ticks=False)


def series(curves: Mapping[str, Sequence[float | None]], names: Sequence[str], *, up: str) -> str:
    """Return a curve a name over the same steps, of which ``names`` are told below; a None leaves a gap.

    Names that differ after a comma alone share a colour; the second of them is dashed.
    """
    given = [value for values in curves.values() for value in values if value is not None]
    low, high = _span(given or [0.0])
    place = _Plane(0.0, float(max(len(names), 1)), low, high)
    kinds = list(dict.fromkeys(name.partition(",")[0] for name in curves))
    shapes, seen = [], set()
    for number, (name, values) in enumerate(curves.items()):
        kind = name.partition(",")[0]
        colour = COLOURS[kinds.index(kind) % len(COLOURS)]
        points = [(step + 0.5, value) for step, value in enumerate(values) if value is not None]
        shapes.append(place.line(points, colour, dashed=kind in seen))
        shapes += [_dot(*place.at(*point), colour) for point in points]
        shapes.append(_text(LEFT + 12, TOP + 14 * (number + 1), f"{name}{' (dashed)' * (kind in seen)}", colour=colour))
        seen.add(kind)
    floor = HEIGHT - BOTTOM
    shapes += [_text(place.at(step + 0.8, low)[0], floor + 16, name, end=True) for step, name in enumerate(names)]
    return _svg(place, shapes, across="", up=up, ticks=False)


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


def _ticks(low: float, high: float) -> list[float]:
    """Return at most some seven round values between ``low`` and ``high``."""
    rough = (high - low) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _text(x: float, y: float, words: str, *, colour: str = "#1c2430", end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    halo = 'paint-order="stroke" stroke="#fff" stroke-width="3"'  # so that it can be read on a bar
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {halo}{anchor}>{escape(words)}</text>'


def _svg(place: _Plane, shapes: Sequence[str], *, across: str, up: str, ticks: bool = True) -> str:
    floor = HEIGHT - BOTTOM
    frame = [
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - 10}" fill="none" stroke="{_GREY}"/>',
        _text(WIDTH - 10, HEIGHT - 6, across, end=True),
        f'<text x="{-TOP}" y="14" transform="rotate(-90)" text-anchor="end">{escape(up)}</text>',
    ]
    frame += [
        _text(LEFT - 6, place.at(place.left, y)[1] + 4, f"{y:g}", end=True) for y in _ticks(place.low, place.high)
    ]
    if ticks:
        across_ticks = _ticks(place.left, place.right)
        frame += [_text(place.at(x, place.low)[0] + 10, floor + 16, f"{x:g}", end=True) for x in across_ticks]
    inside = "\n".join([*frame, *shapes])
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">'
    return f"{head}\n<title>{escape(up)}</title>\n{inside}\n</svg>"
