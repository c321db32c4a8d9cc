from __future__ import annotations

from typing import Any

import pytest

from slipstream.cli.demo import _alarm

OPEN = {"alarms": ["drift"], "since": "2013-02-10T00:00:00Z", "open": True, "came_of_it": "not retrained"}
NO = {"action": "no", "reason": "Within the cooldown."}


@pytest.mark.parametrize(
    ("alarm", "decisions", "line"),
    [
        (None, [], "m: no alarm, none found in 14 window(s)."),
        (
            OPEN,
            [NO],
            "m: alarm for drift, open, since 2013-02-10; not retrained. The policy: Within the cooldown.",
        ),
        ({**OPEN, "open": False}, [], "m: alarm for drift, over, since 2013-02-10; not retrained."),
    ],
)
def test_the_demo_ends_with_the_alarm_or_with_none_found(alarm: Any, decisions: list[Any], line: str) -> None:
    assert _alarm({"model": "m", "windows": 14, "alarm": alarm, "decisions": decisions}) == line
