"""Windows as monitoring leaves them, written by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from slipstream.definitions import Model
from slipstream.intervals import Interval, utc
from slipstream.lake import Provenance, Run
from slipstream.monitoring.rows import Measurement, schema

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)
Window = Callable[..., Interval]


def day(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


@pytest.fixture
def window(shop: Any) -> Window:
    """Give a function that writes what a day's window came to: for each kind whether it is beyond its bounds."""

    def write(model: Model, number: int, *, version: str = "1", backfill: bool = False, **verdicts: bool) -> Interval:
        found = [
            Measurement("verdict", kind, "share", 0.5, None, beyond, 9, 9, f"{kind} of day {number}" if beyond else "")
            for kind, beyond in verdicts.items()
        ]
        span = day(number)
        when = {"window_start": span.start, "window_end": span.end, "event_time": span.start}
        when |= {"known_at": span.end, "model_version": version}
        rows = pa.Table.from_pylist([{**each.as_dict(), **when} for each in found], schema=schema())
        extra = {"backfill": True} if backfill else {}
        shop.lake.table(model.monitoring_table).write(span, rows, provenance=Provenance(Run.local(), extra=extra))
        return span

    return write
