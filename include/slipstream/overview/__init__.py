"""What a person asks of all models, and of one: plain values, read from lake, ledger and registry for a page.

``overview`` gives a row a model; ``model_details`` what one model's page shows. Only what is shown is read, and what
was read of a table is kept until the table changes.
"""

from slipstream.overview.cache import Kept
from slipstream.overview.challengers import Aliases, read_aliases
from slipstream.overview.decisions import Decision, Reign, decisions, reigns
from slipstream.overview.details import ModelDetails, lineage, model_details
from slipstream.overview.models import Challenger, OverviewRow, overview
from slipstream.overview.sources import SourceCounts, sources_feeding, views_feeding
from slipstream.overview.verdicts import LastVerdict, Worth, last_verdict
from slipstream.overview.watched import Cell, HeatMap, Point, Watched, Window

__all__ = [
    "Aliases",
    "Cell",
    "Challenger",
    "Decision",
    "HeatMap",
    "Kept",
    "LastVerdict",
    "ModelDetails",
    "OverviewRow",
    "Point",
    "Reign",
    "SourceCounts",
    "Watched",
    "Window",
    "Worth",
    "decisions",
    "last_verdict",
    "lineage",
    "model_details",
    "overview",
    "read_aliases",
    "reigns",
    "sources_feeding",
    "views_feeding",
]
