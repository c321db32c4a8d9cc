"""A model's history as SVG: lines over champions' bands, a map of drift, bars a day; each names unit and window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from html import escape
from itertools import groupby

from slipstream.intervals import Interval
from slipstream.overview.watched import Cell, HeatMap, Point, Window
from slipstream.promotion.charts.plane import GREY, INK, OURS, THEIRS, TOP, Plane, dot, frame, span, square, svg, words

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_HEIGHT = 240.0
_ROW, _NAMES, _LONGEST = 18.0, 210.0, 32
_MOST_TICKS, _HALF_DATE = 5, 34.0


def metric_lines(points: Sequence[Point], within: Interval, *, metric: str, unit: str) -> str:
    """Return one metric by the end of its window, a band for each champion, its bound dashed, alarms as squares."""
    bounds = [each.threshold for each in points if each.threshold is not None]
    low, high = span([*(each.value for each in points), *bounds])
    plane = _plane(within, (low, high + (high - low) * 0.15))  # room for the names of the bands
    shapes = _bands(plane, points, within)
    if bounds:
        steps = [(_days(each.at), each.threshold) for each in points if each.threshold is not None]
        shapes.append(plane.line(steps, GREY, dashed=True))
    shapes.append(plane.line([(_days(each.at), each.value) for each in points], OURS))
    for each in points:
        x, y = plane.x(_days(each.at)), plane.y(each.value)
        mark = square(x, y, THEIRS) if each.alarm else dot(x, y, OURS)
        said = f"{metric} {each.value:.4g} in the window that ends {_moment(each.at)}"
        bound = f", bound {each.threshold:.4g}{', beyond it' if each.alarm else ''}" if each.threshold else ""
        shapes.append(f"<g>{mark}<title>{escape(said + bound)}</title></g>")
    title = f"{metric} ({unit}) by the end of its window, {_between(within)}; a band for each version that predicted"
    return svg(
        plane,
        [*frame(plane, across="end of window, UTC", up=unit, ticks_across=False), *_dates(plane), *shapes],
        title=title,
    )


def daily_bars(counts: Mapping[date, int], within: Interval) -> str:
    """Return a bar for each day, as high as it has predictions; a day that was not scored has none."""
    plane = _plane(within, (0.0, max([*counts.values(), 1]) * 1.08))
    shapes = []
    for day, rows in sorted(counts.items()):
        left = _days(datetime(day.year, day.month, day.day, tzinfo=UTC))
        bar = plane.box((left + 0.1, left + 0.9), (0.0, float(rows)), OURS)
        shapes.append(f"<g>{bar}<title>{day:%Y-%m-%d}: {rows:,} predictions</title></g>")
    title = f"Predictions a day, {_between(within)}"
    axes = frame(plane, across="day, UTC", up="predictions a day", ticks_across=False)
    return svg(plane, [*axes, *_dates(plane), *shapes], title=title)


def heat_map(heat: HeatMap, *, address: Callable[[Window], str], title: str) -> str:
    """Return a line a feature and a column a window, the stronger the farther from the reference; alarms have a dot.

    Args:
        address: Where the report of a window is; each column is one link to it.
    """
    wide = max(5.0, min(22.0, 560.0 / max(len(heat.windows), 1)))
    width, height = _NAMES + wide * len(heat.windows) + 12, TOP + _ROW * len(heat.features) + 40
    plane = Plane(
        (0.0, float(max(len(heat.windows), 1))), (0.0, 1.0), width=width, height=height, left=_NAMES, right=12
    )
    shapes = [_name(name, _top(index)) for index, name in enumerate(heat.features)]
    for place, window in enumerate(heat.windows):
        x = plane.x(place)
        cells = [
            _cell(cell, feature, window, x, _top(index), wide)
            for index, feature in enumerate(heat.features)
            if (cell := heat.cells.get((feature, window.interval))) is not None
        ]
        said = f"Drift report of the window {_moment(window.start)} to {_moment(window.end)}"
        shapes.append(
            f'<a href="{escape(address(window))}" aria-label="{escape(said)}">'
            f'<rect class="column" x="{x:.1f}" y="{TOP:.1f}" width="{wide:.2f}" '
            f'height="{_ROW * len(heat.features):.1f}"/>{"".join(cells)}</a>'
        )
    shapes += _ends(heat.windows, plane, wide)
    return svg(plane, shapes, title=title)


def _cell(cell: Cell, feature: str, window: Window, x: float, y: float, wide: float) -> str:
    strength = min(cell.strength, 2.0) / 2.0
    colour = THEIRS if cell.alarm else OURS
    box = f'x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{wide - 1:.2f}" height="{_ROW - 1:.1f}"'
    middle = f'cx="{x + wide / 2:.1f}" cy="{y + _ROW / 2:.1f}"'
    mark = f'<circle {middle} r="2" fill="{INK}"/>' if cell.alarm else ""
    value = "not measured" if cell.value is None else f"{cell.value:.3g} ({cell.method})"
    bound = f", bound {cell.threshold:.3g}" if cell.threshold is not None else ""
    beyond = ", beyond it" if cell.alarm else ""
    said = escape(f"{feature}, window to {_moment(window.end)}: {value}{bound}{beyond}")
    return (
        f'<g><rect {box} fill="{colour}" fill-opacity="{0.08 + 0.87 * strength:.2f}"/>{mark}<title>{said}</title></g>'
    )


def _name(name: str, y: float) -> str:
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return (
        f'<text x="{_NAMES - 8:.0f}" y="{y + _ROW - 5:.1f}" text-anchor="end" fill="{INK}">'
        f"<title>{escape(name)}</title>{escape(short)}</text>"
    )


def _ends(windows: Sequence[Window], plane: Plane, wide: float) -> list[str]:
    if not windows:
        return []
    y = plane.height - 22
    found = [words(plane.left, y, f"{windows[0].end:%Y-%m-%d}")]
    if len(windows) * wide > 180:
        found.append(words(plane.x(len(windows)), y, f"{windows[-1].end:%Y-%m-%d}", end=True))
    return [*found, words(plane.left, y + 16, "end of window, UTC")]


def _top(index: int) -> float:
    return TOP + index * _ROW


def _plane(within: Interval, up: tuple[float, float]) -> Plane:
    return Plane((_days(within.start), _days(within.end)), up, height=_HEIGHT, left=78.0)


def _bands(plane: Plane, points: Sequence[Point], within: Interval) -> list[str]:
    """Return a band from the first window of each version to the first of the next; every second one is tinted."""
    runs = [(version, next(iter(group)).at) for version, group in groupby(points, key=lambda each: each.version)]
    shapes, reached = [], 0.0
    for number, (version, begin) in enumerate(runs):
        last = number + 1 == len(runs)
        end = within.end if last else runs[number + 1][1]
        left = max(plane.x(_days(begin)), plane.left)
        right = plane.x(_days(end))
        opacity = 0.14 if number % 2 else 0.06
        shapes.append(
            f'<rect x="{left:.1f}" y="{TOP:.1f}" width="{max(right - left, 1):.1f}" '
            f'height="{plane.floor - TOP:.1f}" fill="{GREY}" fill-opacity="{opacity}"/>'
        )
        said = f"version {version or 'unknown'}"
        if left >= reached:  # a name that would stand on the one before it is left out; the dots tell it
            shapes.append(words(left + 4, TOP + 12, said))
            reached = left + 8 + 6.5 * len(said)
    return shapes


def _dates(plane: Plane) -> list[str]:
    low, high = plane.across
    step = max(1, round((high - low) / _MOST_TICKS))
    found = []
    for number in range(int(low), int(high) + 1, step):
        at = _ZERO + number * _DAY
        x = min(plane.x(number), plane.width - _HALF_DATE)
        found.append(
            f'<text x="{x:.1f}" y="{plane.floor + 16:.1f}" text-anchor="middle" fill="{INK}">{at:%Y-%m-%d}</text>'
        )
    return found


def _days(moment: datetime) -> float:
    return (moment - _ZERO) / _DAY


def _between(within: Interval) -> str:
    return f"{within.start:%Y-%m-%d} to {within.end:%Y-%m-%d} UTC"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d}" if at.time() == datetime.min.time() else f"{at:%Y-%m-%d %H:%M}"
