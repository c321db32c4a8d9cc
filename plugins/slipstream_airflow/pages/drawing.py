"""The pictures of a model's page, each with the sentence that says its unit and window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstream_airflow.pages.rendering import part, picture, root

if TYPE_CHECKING:
    from markupsafe import Markup

    from slipstream.overview import ModelDetails, Window

UNITS = {
    "log_loss": "nats",
    "brier": "squared probability",
    "roc_auc": "area, 0 to 1",
    "calibration_error": "probability",
    "mae": "units of the label",
    "rmse": "units of the label",
    "r2": "share explained",
    "label": "drift of the label",
}


@dataclass(frozen=True)
class Drawn:
    """A picture, and what it shows in words."""

    title: str
    picture: Markup


@dataclass(frozen=True)
class Drawings:
    """The pictures of one page; None where there is nothing to draw."""

    metrics: list[Drawn]
    heat: Drawn | None
    predictions: Drawn | None


def drawings(details: ModelDetails) -> Drawings:
    """Draw what the page of a model shows."""
    from slipstream.overview.pictures import daily_bars, heat_map, metric_lines

    found, span = details.watched, details.span
    between = f"{span.start:%Y-%m-%d} to {span.end:%Y-%m-%d} UTC"
    # The metric that has a bound, so that it may alarm, comes first.
    names = sorted(
        found.metrics, key=lambda name: (all(point.threshold is None for point in found.metrics[name]), name)
    )
    metrics = [
        Drawn(
            f"{name.replace('_', ' ')} in {UNITS.get(name, 'its own unit')}, by the end of its window, {between}",
            picture(metric_lines(found.metrics[name], span, metric=name, unit=UNITS.get(name, name))),
        )
        for name in names
    ]
    heat = None
    if found.heat.windows:
        title = (
            f"Distance of each feature from the champion's reference sample, in thresholds, a column a window, "
            f"{between}. "
            f"The stronger the colour, the farther; a dot marks what is beyond its bound."
        )
        heat = Drawn(title, picture(heat_map(found.heat, address=lambda window: _report(details, window), title=title)))
    predictions = None
    if details.predictions:
        predictions = Drawn(f"Predictions a day, {between}", picture(daily_bars(details.predictions, span)))
    return Drawings(metrics, heat, predictions)


def _report(details: ModelDetails, window: Window) -> str:
    return f"{root()}/models/{part(details.model.name)}/show/drift/{window.interval:%Y-%m-%dT%H%M%SZ}"
