"""Labels, joined to predictions as they were known at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import SchemaError
from slipstream.features.inputs import label_inputs, open_inputs, pin, require
from slipstream.features.population import TIME_COLUMN
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

LABEL, LABEL_KNOWN_AT = "label", "label_known_at"


def label_predictions(
    model: Model,
    predictions: pa.Table,
    window: Interval,
    *,
    as_of: datetime,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
) -> tuple[pa.Table, dict[str, int]]:
    """Return the predictions (key, prediction_time, ...) of ``window`` that have a label, and the versions read.

    Raises:
        IncompleteError: The intervals that hold the labels are not in the lake.
    """
    needed = label_inputs(model, window.start, window.end, as_of, definitions=definitions)
    versions = pin(lake, needed)
    require(lake, needed, who=f"The labels of {model.name!r} at {iso(as_of)}", versions=versions)
    labelled = attach_labels(
        model,
        predictions,
        window.start,
        window.end,
        as_of,
        definitions=definitions,
        lake=lake,
        settings=settings,
        versions=versions,
    )
    return labelled, versions


def attach_labels(
    model: Model,
    rows: pa.Table,
    start: datetime,
    end: datetime,
    as_of: datetime,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    versions: Mapping[str, int],
) -> pa.Table:
    """Add to each row its label as it was known when it matured, or at ``as_of`` (UTC); keep the rows that have one.

    What becomes known after ``maturity`` does not count: so a row has the same label in every set that it is mature in.
    The label's SQL also sees ``population``: the key and prediction_time of the rows, for labels that count from there.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from slipstream.engine import query
    from slipstream.features.pointintime import ViewRows, point_in_time_join

    tables: dict[str, Any] = dict(
        open_inputs(
            model.label.inputs,
            definitions=definitions,
            lake=lake,
            settings=settings,
            start=start,
            due=as_of,
            until=end + model.label.maturity,
            versions=versions,
        )
    )
    tables.setdefault("population", rows.select([*model.key, TIME_COLUMN]))
    bounds = {"interval_start": start, "interval_end": end}
    found = query(model.text(model.label.sql), tables=tables, params=bounds, settings=settings)
    labels = _as_view_rows(model, found)
    keys = {name: name for name in (*model.key, TIME_COLUMN) if name in labels.column_names}
    view = ViewRows("label", keys, labels, {LABEL: LABEL, LABEL_KNOWN_AT: LABEL_KNOWN_AT})
    matured = pc.add(rows[TIME_COLUMN], pa.scalar(model.label.maturity, pa.duration("us")))
    latest = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    moment = pc.if_else(pc.greater(matured, latest), latest, matured)
    joined = point_in_time_join(rows.append_column(" as_of", moment), [view], time=" as_of").drop_columns([" as_of"])
    return joined.filter(pc.is_valid(joined[LABEL]))


def _as_view_rows(model: Model, found: pa.Table) -> pa.Table:
    import pyarrow as pa

    where = f"The label of model {model.name!r}"
    missing = [name for name in (*model.key, LABEL, "known_at") if name not in found.column_names]
    if missing:
        message = f"{where}: wanted the column(s) {', '.join(missing)}; the SQL gives {', '.join(found.column_names)}."
        raise SchemaError(message)
    try:
        labels = found[LABEL].cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = f"{where} must be a number or a boolean; found {found[LABEL].type}."
        raise SchemaError(message) from error
    names = [*model.key, *([TIME_COLUMN] if TIME_COLUMN in found.column_names else [])]
    known = found["known_at"]
    return pa.table(
        {
            **{name: found[name] for name in names},
            "event_time": known,
            "known_at": known,
            LABEL: labels,
            LABEL_KNOWN_AT: known,
        }
    )
