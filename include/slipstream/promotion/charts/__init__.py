"""Pictures of a comparison, drawn as SVG by hand: small, the same each time, and in need of no library."""

from slipstream.promotion.charts.bars import bars, histogram
from slipstream.promotion.charts.cells import cells
from slipstream.promotion.charts.curves import lines, reliability
from slipstream.promotion.charts.groups import Dots, Estimate, dots, forest
from slipstream.promotion.charts.steps import steps

__all__ = ["Dots", "Estimate", "bars", "cells", "dots", "forest", "histogram", "lines", "reliability", "steps"]
