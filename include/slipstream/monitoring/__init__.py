"""Watching a model: drift of what it reads and says, its performance once labels are known, and what follows.

``report_drift`` and ``report_performance`` look at the window that ends with an interval; ``decide`` writes their
numbers to ``monitoring/<model>`` and says whether to retrain.
"""

from slipstream.monitoring.decision import Decision, decide, last_alarm, monitor
from slipstream.monitoring.drift import DriftReport, report_drift
from slipstream.monitoring.inputs import monitoring_inputs
from slipstream.monitoring.performance import PerformanceReport, report_performance
from slipstream.monitoring.rows import Measurement

__all__ = [
    "Decision",
    "DriftReport",
    "Measurement",
    "PerformanceReport",
    "decide",
    "last_alarm",
    "monitor",
    "monitoring_inputs",
    "report_drift",
    "report_performance",
]
