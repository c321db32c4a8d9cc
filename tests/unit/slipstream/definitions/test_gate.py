from __future__ import annotations

import pytest
from pydantic import ValidationError

from slipstream.definitions.gate import CalibrationCheck, MetricGainCheck, SlicesCheck
from slipstream.intervals import duration


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (MetricGainCheck, {"check": "metric_gain"}),
        (CalibrationCheck, {"check": "calibration"}),
        (SlicesCheck, {"check": "slices", "columns": ["carrier"]}),
    ],
)
def test_rows_cannot_be_resampled_by_blocks_of_no_length(kind: type, settings: dict[str, object]) -> None:
    assert kind(**settings, block="12h").block == duration("12h")
    with pytest.raises(ValidationError, match="Wanted more than 0"):
        kind(**settings, block="0d")
