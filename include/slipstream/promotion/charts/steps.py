"""Curves over the same named steps, such as months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slipstream.promotion.charts.plane import COLOURS, GREY, TOP, WIDTH, Plane, dot, frame, span, square, svg, words

_NAMES = 170.0  # pixels for the names of the curves


def steps(curves: Mapping[str, Sequence[float | None]], names: Sequence[str], *, up: str, title: str) -> str:
    """Return a curve a name; a None leaves its step out.

    Names that differ after a comma alone share a colour: the first of them has dots and a line, the others squares and
    dashes.
    """
    given = [value for values in curves.values() for value in values if value is not None]
    low, high = span(given)
    plane = Plane((0.0, float(max(len(names), 1))), (low, high), width=WIDTH + _NAMES, right=_NAMES)
    colours = (*COLOURS, GREY)
    kinds = list(dict.fromkeys(name.partition(",")[0] for name in curves))
    shapes, seen = [], set()
    for number, (name, values) in enumerate(curves.items()):
        kind = name.partition(",")[0]
        colour, mark = colours[kinds.index(kind) % len(colours)], square if kind in seen else dot
        points = [(step + 0.5, value) for step, value in enumerate(values) if value is not None]
        shapes.append(plane.line(points, colour, dashed=kind in seen))
        shapes += [mark(plane.x(x), plane.y(y), colour) for x, y in points]
        height = TOP + 16 * (number + 1)
        shapes += [mark(plane.right + 12, height - 4, colour), words(plane.right + 22, height, name)]
        seen.add(kind)
    shapes += [words(plane.x(step + 0.95), plane.floor + 16, name, end=True) for step, name in enumerate(names)]
    return svg(plane, [*frame(plane, across="", up=up, ticks_across=False), *shapes], title=title)
