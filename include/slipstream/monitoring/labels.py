"""How many labels have come since a training."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake


def new_labels(model: Model, since: datetime, until: datetime, *, lake: Lake) -> int:
    """Return about how many labels matured in ``(since, until]`` (UTC).

    It is the number of predictions whose maturity ended then, by the share of them that monitoring last found labelled;
    labels themselves are not read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table, late = lake.table(model.table), model.label.maturity
    if not table.exists() or since >= until:
        return 0
    begin, end = (pa.scalar(at - late, pa.timestamp("us", tz="UTC")) for at in (since, until))
    time = pc.field("prediction_time")
    reader = table.batches(
        model.cron.floor(since - late), until, columns=["prediction_time"], where=(time > begin) & (time <= end)
    )
    predictions: int = sum(batch.num_rows for batch in reader)
    return round(predictions * _label_share(model, lake))


def _label_share(model: Model, lake: Lake) -> float:
    import pyarrow.compute as pc

    table = lake.table(model.monitoring_table)
    newest = max(table.intervals(), key=lambda each: each.end, default=None)
    if newest is None:
        return 1.0
    where = (pc.field("kind") == "performance") & (pc.field("metric") == "labels")
    found = table.read(newest.start, newest.end, columns=["value"], where=where)["value"].to_pylist()
    return 1.0 if not found or found[0] is None else float(found[0])
