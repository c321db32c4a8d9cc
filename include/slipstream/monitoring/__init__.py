"""Watching a model: drift of what it reads and says, its performance once labels are known, and what follows.

``report_drift`` and ``report_performance`` look at the window that ends with an interval; ``decide`` writes their
numbers to ``monitoring/<model>`` and says whether to retrain; ``alarm_state`` says which alarms are open.
"""

from slipstream.monitoring.decision import Decision, decide, last_alarm, monitor
from slipstream.monitoring.drift import DriftReport, report_drift
from slipstream.monitoring.inputs import monitoring_inputs
from slipstream.monitoring.performance import PerformanceReport, report_performance
from slipstream.monitoring.rows import Measurement
from slipstream.monitoring.state import AlarmState, alarm_state, alarm_states

__all__ = [
    "AlarmState",
    "Decision",
    "DriftReport",
    "Measurement",
    "PerformanceReport",
    "alarm_state",
    "alarm_states",
    "decide",
    "last_alarm",
    "monitor",
    "monitoring_inputs",
    "report_drift",
    "report_performance",
]
