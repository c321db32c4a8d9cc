"""Watching a model: drift of what it reads and says, its performance once labels are known, and what follows.

``report_drift`` and ``report_performance`` look at the window that ends with an interval; ``decide`` writes their
numbers to ``monitoring/<model>``; ``alarm_state`` says which alarms are open. What the retraining policy makes of them
is decided by ``consider`` and started by ``claim``, once each; ``announce`` tells people.
"""

from slipstream.monitoring.alarms import Alarm, last_alarm
from slipstream.monitoring.alerts import Alert, announce
from slipstream.monitoring.decision import Decision, decide, monitor
from slipstream.monitoring.drift import DriftReport, report_drift
from slipstream.monitoring.inputs import monitoring_inputs
from slipstream.monitoring.performance import PerformanceReport, report_performance
from slipstream.monitoring.retraining import (
    RetrainingRow,
    RetrainSignal,
    claim,
    consider,
    retrain_signal,
    retrainings,
)
from slipstream.monitoring.rows import Measurement
from slipstream.monitoring.state import AlarmState, alarm_state, alarm_states

__all__ = [
    "Alarm",
    "AlarmState",
    "Alert",
    "Decision",
    "DriftReport",
    "Measurement",
    "PerformanceReport",
    "RetrainSignal",
    "RetrainingRow",
    "alarm_state",
    "alarm_states",
    "announce",
    "claim",
    "consider",
    "decide",
    "last_alarm",
    "monitor",
    "monitoring_inputs",
    "report_drift",
    "report_performance",
    "retrain_signal",
    "retrainings",
]
