"""A prediction's reasons as a waterfall: from the baseline, feature by feature, to the score."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipstream.scoring.explanation import Explanation

FORMATS = ("png", "svg")
_UP, _DOWN, _GREY, _DOTS, _WORDS = "#d1730f", "#1f6feb", "#8b95a1", 110, 44


def draw_waterfall(found: Explanation, path: Path) -> None:
    """Draw into ``path``, PNG or SVG by its ending; the same prediction gives the same bytes."""
    # A Figure of its own, without pyplot: no window system, no state that others would share.
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [(_label(each.feature, each.value), each.contribution) for each in found.reasons]
    steps.append(("all other features", found.others))
    figure = Figure(figsize=(8.0, 1.6 + 0.36 * len(steps)), dpi=_DOTS, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    at = found.baseline
    for place, (_, change) in enumerate(steps):
        axes.barh(place, change, left=at, height=0.62, color=_UP if change > 0 else _DOWN)
        axes.plot([at + change] * 2, [place - 0.31, min(place + 1.31, len(steps) - 0.69)], color=_GREY, linewidth=0.8)
        axes.annotate(f"{change:+.3g}", (max(at, at + change), place), (4, 0), textcoords="offset points", va="center")
        at += change
    # The two are often close, so one is named above the bars and one below.
    for name, value, line in (("baseline", found.baseline, -0.75), ("score", found.margin, len(steps) - 0.25)):
        axes.axvline(value, color=_GREY, linewidth=0.8, linestyle="dashed")
        axes.annotate(f"{name} {value:.3g}", (value, line), ha="center", va="center", color="#4a5563", fontsize=8)
    axes.set_yticks(range(len(steps)), [_plain(name) for name, _ in steps])
    axes.set_ylim(len(steps) + 0.15, -1.15)
    reached = [*itertools.accumulate((change for _, change in steps), initial=found.baseline), found.margin]
    room = max(max(reached) - min(reached), 1e-9) * 0.1
    axes.set_xlim(min(reached) - room, max(reached) + 2 * room)  # a number stands to the right of each bar
    axes.set_xlabel(found.unit)
    named = ", ".join(f"{name}={value}" for name, value in found.key.items())
    title = f"{found.model} version {found.version}, score {found.score:.4g}\n{named}"
    figure.suptitle(_plain(title), x=0.02, horizontalalignment="left", fontsize=10)
    kind = path.suffix.lower().lstrip(".")
    nameless: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "slipstream", "svg.fonttype": "path"}):
        figure.savefig(path, format=kind, metadata=nameless)


def spell_stored(value: str | None) -> str:
    """Return a stored value as a person reads it: six digits of a number, and a whole one has no point."""
    if value is None:
        return "missing"
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value


def _label(feature: str, value: str | None) -> str:
    text = f"{feature} = {spell_stored(value)}"
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # matplotlib reads formulas between dollars
