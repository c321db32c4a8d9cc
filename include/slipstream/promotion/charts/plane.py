"""What every picture is made of: a plane, shapes on it, and colours that colour-blind people can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 640.0, 300.0, 70.0, 12.0, 42.0, 14.0
# Colours of the page's style, for light and for dark: after Okabe and Ito (2008). No picture tells by colour alone.
OURS, THEIRS, MARK, GREY, INK = "var(--ours)", "var(--theirs)", "var(--mark)", "var(--grey)", "var(--ink)"
COLOURS = (OURS, THEIRS, MARK)
Points = Sequence[tuple[float, float]]


class Plane:
    """Turns values into places on a picture of ``width`` by ``height``, inside its margins."""

    def __init__(
        self,
        across: tuple[float, float],
        up: tuple[float, float],
        *,
        width: float = WIDTH,
        height: float = HEIGHT,
        left: float = LEFT,
        right: float = RIGHT,
    ) -> None:
        self.across, self.up = across, up
        self.width, self.height = width, height
        self.left, self.right = left, width - right
        self.floor = height - BOTTOM

    def x(self, value: float) -> float:
        low, high = self.across
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.up
        return self.floor - (value - low) / (high - low) * (self.floor - TOP)

    def line(self, points: Points, colour: str, *, dashed: bool = False) -> str:
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'

    def box(self, across: tuple[float, float], up: tuple[float, float], colour: str, *, opacity: float = 1.0) -> str:
        (left, right), (low, high) = sorted(map(self.x, across)), sorted(map(self.y, up))
        seen = f' fill-opacity="{opacity:.3f}"' if opacity < 1 else ""
        return (
            f'<rect x="{left:.1f}" y="{low:.1f}" width="{right - left:.2f}" height="{high - low:.2f}" '
            f'fill="{colour}"{seen}/>'
        )


def span(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the largest finite value with some room beside them."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Return at most some ``most`` round values between ``low`` and ``high``."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def dot(x: float, y: float, colour: str) -> str:
    """Return a filled dot."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'


def square(x: float, y: float, colour: str, *, size: float = 7.0) -> str:
    """Return a hollow square, which differs from a dot in more than its colour."""
    half = size / 2
    return (
        f'<rect x="{x - half:.1f}" y="{y - half:.1f}" width="{size:.1f}" height="{size:.1f}" fill="var(--paper)" '
        f'stroke="{colour}" stroke-width="1.5"/>'
    )


def words(x: float, y: float, text: str, *, colour: str = INK, end: bool = False, bold: bool = False) -> str:
    """Return escaped text with a halo, so that it can be read on a shape."""
    anchor = ' text-anchor="end"' if end else ""
    weight = ' font-weight="bold"' if bold else ""
    halo = 'paint-order="stroke" stroke="var(--paper)" stroke-width="3"'
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {halo}{anchor}{weight}>{escape(text)}</text>'


def uprights(plane: Plane, named: Sequence[tuple[str, float]]) -> list[str]:
    """Return named upright lines, the first one solid; a name stands beside its line, each a line lower."""
    shapes = []
    for number, (name, value) in enumerate(named):
        shapes.append(plane.line([(value, low) for low in plane.up], MARK if number == 0 else GREY, dashed=number > 0))
        away = plane.x(value) > (plane.left + plane.right) / 2
        place = plane.x(value) + (-4 if away else 4)
        shapes.append(words(place, TOP + 12 + 15 * number, f"{name} {value:.4g}", end=away))
    return shapes


def levels(plane: Plane, named: Sequence[tuple[str, float]]) -> list[str]:
    """Return named level lines, the first one solid; names stand in the right margin, one never over another."""
    shapes = []
    for number, (_, value) in enumerate(named):
        ends = [(low, value) for low in plane.across]
        shapes.append(plane.line(ends, MARK if number == 0 else GREY, dashed=number > 0))
    lowest = -math.inf
    for name, value in sorted(named, key=lambda each: -each[1]):
        lowest = max(plane.y(value) + 4, lowest + 15)
        shapes.append(words(plane.right + 6, lowest, f"{name} {value:.4g}"))
    return shapes


def frame(plane: Plane, *, across: str, up: str, ticks_across: bool = True, ticks_up: bool = True) -> list[str]:
    """Return both axes with what they measure."""
    middle = (plane.floor + TOP) / 2
    found = [
        f'<path d="M{plane.left:.0f} {TOP:.0f}V{plane.floor:.0f}H{plane.right:.0f}" fill="none" stroke="{GREY}"/>',
        words(plane.right, plane.height - 6, across, end=True),
    ]
    if up:
        found.append(
            f'<text x="{-middle:.0f}" y="14" transform="rotate(-90)" text-anchor="middle" fill="{INK}">'
            f"{escape(up)}</text>"
        )
    if ticks_up:
        found += [words(plane.left - 6, plane.y(value) + 4, f"{value:g}", end=True) for value in ticks(*plane.up)]
    if ticks_across:
        for value in ticks(*plane.across):
            place = f"{plane.x(value):.1f}"
            found.append(
                f'<text x="{place}" y="{plane.floor + 16:.1f}" text-anchor="middle" fill="{INK}">{value:g}</text>'
            )
    return found


def svg(plane: Plane, shapes: Sequence[str], *, title: str) -> str:
    """Return the picture, with a title that a screen reader speaks."""
    inside = "\n".join(shapes)
    said = escape(title)
    return (
        f'<svg viewBox="0 0 {plane.width:.0f} {plane.height:.0f}" width="{plane.width:.0f}" role="img" '
        f'aria-label="{said}">\n<title>{said}</title>\n{inside}\n</svg>'
    )
