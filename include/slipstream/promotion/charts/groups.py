"""A line for each group of rows: an effect with its interval, or the rates of two versions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from slipstream.promotion.charts.plane import (
    BOTTOM,
    COLOURS,
    GREY,
    INK,
    MARK,
    OURS,
    THEIRS,
    TOP,
    WIDTH,
    Plane,
    dot,
    frame,
    span,
    square,
    svg,
    words,
)

ROW, HEAD = 20.0, 18.0
_LEFT, _RIGHT = 190.0, 130.0
_LONGEST = 30  # characters of a name


@dataclass(frozen=True)
class Estimate:
    """One line of a forest plot; ``notes`` stand in columns at its right, ``strong`` marks it."""

    name: str
    value: float
    low: float
    high: float
    notes: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class Dots:
    """One line of a dot plot: a value for each version."""

    name: str
    values: Mapping[str, float]


def forest(found: Sequence[Estimate], *, limit: float, heads: Sequence[str], across: str, title: str) -> str:
    """Return a line an estimate, with zero and a limit as upright lines; an end that is not finite meets the edge."""
    ends = [value for each in found for value in (each.value, each.low, each.high)]
    plane = _plane([0.0, limit, *ends], len(found))
    shapes = [_upright(plane, 0.0, GREY, dashed=False)]
    if limit:
        shapes += [_upright(plane, limit, MARK, dashed=True), words(plane.x(limit) + 4, TOP + 10, f"{limit:g}")]
    shapes += _columns(plane, TOP + 10, heads)
    for number, each in enumerate(found):
        y = _height(number)
        colour = THEIRS if each.strong else OURS
        low, high = (_inside(plane, value) for value in (each.low, each.high))
        shapes.append(f'<path d="M{plane.x(low):.1f} {y:.1f}H{plane.x(high):.1f}" stroke="{colour}" stroke-width="2"/>')
        place = plane.x(_inside(plane, each.value))
        shapes.append((square if each.strong else dot)(place, y, colour))
        shapes += [_named(plane, y, each.name, bold=each.strong), *_columns(plane, y + 4, each.notes, bold=each.strong)]
    return svg(plane, [*frame(plane, across=across, up="", ticks_up=False), *shapes], title=title)


def dots(found: Sequence[Dots], *, across: str, title: str) -> str:
    """Return a line a group, with one mark a version and a line between them."""
    plane = _plane([0.0, *(value for each in found for value in each.values.values())], len(found))
    shapes = []
    names = list(dict.fromkeys(name for each in found for name in each.values))
    for number, name in enumerate(names):
        mark, x = (square if number else dot), plane.left + 10 + 110 * number
        shapes += [mark(x, TOP + 6, COLOURS[number % len(COLOURS)]), words(x + 10, TOP + 10, name)]
    for number, each in enumerate(found):
        y, places = _height(number), [plane.x(value) for value in each.values.values()]
        shapes.append(f'<path d="M{min(places):.1f} {y:.1f}H{max(places):.1f}" stroke="{GREY}"/>')
        for name, value in each.values.items():
            which = names.index(name)
            shapes.append((square if which else dot)(plane.x(value), y, COLOURS[which % len(COLOURS)]))
        shapes.append(_named(plane, y, each.name))
        told = " / ".join(f"{value:.3f}" for value in each.values.values())
        shapes.append(words(plane.width - 6, y + 4, told, end=True))
    return svg(plane, [*frame(plane, across=across, up="", ticks_up=False), *shapes], title=title)


def _plane(values: Sequence[float], rows: int) -> Plane:
    height = TOP + HEAD + rows * ROW + BOTTOM
    return Plane(span(values), (0.0, 1.0), width=WIDTH, height=height, left=_LEFT, right=_RIGHT)


def _height(number: int) -> float:
    return TOP + HEAD + (number + 0.5) * ROW


def _columns(plane: Plane, y: float, texts: Sequence[str], *, bold: bool = False) -> list[str]:
    return [words(plane.right + 58 * (number + 1), y, text, end=True, bold=bold) for number, text in enumerate(texts)]


def _upright(plane: Plane, value: float, colour: str, *, dashed: bool) -> str:
    return plane.line([(value, 0.0), (value, 1.0)], colour, dashed=dashed)


def _inside(plane: Plane, value: float) -> float:
    low, high = plane.across
    return low if math.isnan(value) else min(max(value, low), high)


def _named(plane: Plane, y: float, name: str, *, bold: bool = False) -> str:
    """Return a group's name; what is too long for its place is cut, and whole when pointed at."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    weight = ' font-weight="bold"' if bold else ""
    whole = f"<title>{escape(name)}</title>" if short != name else ""
    place = f'x="{plane.left - 8:.1f}" y="{y + 4:.1f}"'
    return f'<text {place} text-anchor="end" fill="{INK}"{weight}>{whole}{escape(short)}</text>'
