"""Two scores of the same rows against each other, as cells that are the darker the more rows they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slipstream.promotion.charts.plane import GREY, MARK, OURS, TOP, Plane, frame, span, svg, words

if TYPE_CHECKING:
    from slipstream.promotion.charts.plane import Floats

BINS = 48
_SIDE = 400.0


def cells(
    across_values: Floats,
    up_values: Floats,
    *,
    cut: float | None,
    corners: Sequence[str],
    across: str,
    up: str,
    title: str,
) -> str:
    """Return a two-dimensional histogram over the diagonal.

    Args:
        cut: Where both scores turn from no to yes; drawn as a cross.
        corners: With a cut, what stands in the upper left and the lower right corner: the flips.
    """
    ends = [float(values.min()) for values in (across_values, up_values)]
    ends += [float(values.max()) for values in (across_values, up_values)]
    both = span(ends + ([cut] if cut is not None else []))
    counts, edges, _ = np.histogram2d(across_values, up_values, bins=BINS, range=(both, both))
    plane = Plane(both, both, width=_SIDE + 82, height=_SIDE + 56)
    # The logarithm, because a few cells hold most rows; a cell with one row is still seen.
    dark = 0.15 + 0.85 * np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9)
    shapes = [
        plane.box((edges[i], edges[i + 1]), (edges[j], edges[j + 1]), OURS, opacity=float(dark[i, j]))
        for i, j in np.argwhere(counts > 0)
    ]
    shapes.append(plane.line([(both[0], both[0]), (both[1], both[1])], GREY, dashed=True))
    if cut is not None:
        shapes += [plane.line([(cut, each) for each in both], MARK), plane.line([(each, cut) for each in both], MARK)]
        upper, lower = corners
        shapes.append(words(plane.left + 8, TOP + 16, upper, bold=True))
        shapes.append(words(plane.right - 6, plane.floor - 8, lower, end=True, bold=True))
    return svg(plane, [*frame(plane, across=across, up=up), *shapes], title=title)
