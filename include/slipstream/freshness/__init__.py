"""What should be there and is not (``find_gaps``), what is there and should be made again (``find_stale``).

Both only look, and say what to run: Airflow's own backfills.
"""

from slipstream.freshness.backfills import Backfill, plan_backfills
from slipstream.freshness.gaps import Gap, find_gaps
from slipstream.freshness.stale import Reason, Stale, find_stale

__all__ = ["Backfill", "Gap", "Reason", "Stale", "find_gaps", "find_stale", "plan_backfills"]
