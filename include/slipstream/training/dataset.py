"""The training set: matured rows before the evaluation window, split by time, staged for the tasks that fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError
from slipstream.intervals import Interval, iso, utc

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.definitions import Definitions, Model
    from slipstream.features import FeatureSet
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings

TIME, LABEL = "prediction_time", "label"
_MOMENTS = ("as_of", "train_start", "validation_start", "train_end")


@dataclass(frozen=True)
class TrainingSet:
    """Where a staged training set lies and what it is; small enough to go from task to task.

    Attributes:
        key: Of the model, the time and all that training depends on; the run and the version carry it.
        path: Of the staged Parquet file, below ``settings.staging``.
        train_start, train_end: Rows have prediction_time in ``[train_start, train_end)``, UTC.
        validation_start: Rows from here on are the validation part.
        versions: Table to the Delta version that was read.
        digest: Of the rows, whatever their order.
        run_id: The parent run in MLflow.
    """

    model: str
    key: str
    path: str
    as_of: datetime
    train_start: datetime
    validation_start: datetime
    train_end: datetime
    rows: int
    validation_rows: int
    versions: Mapping[str, int]
    digest: str
    run_id: str

    def as_dict(self) -> dict[str, Any]:
        plain = {**asdict(self), "versions": dict(self.versions)}
        return {**plain, **{name: iso(plain[name]) for name in _MOMENTS}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingSet:
        return cls(**{**values, **{name: utc(values[name]) for name in _MOMENTS}})


@dataclass(frozen=True)
class Part:
    """Rows ready to fit on or to score: features as a frame, labels as float64 of the same length."""

    rows: pa.Table
    frame: pd.DataFrame
    label: NDArray[np.float64]


def training_key(model: Model, as_of: datetime) -> str:
    """Return the key of one training: 16 hex digits from the model, the time, and all that training depends on."""
    return hashlib.sha256("\n".join([model.name, iso(as_of), model.training_digest]).encode()).hexdigest()[:16]


def build_training_set(
    model: Model, as_of: datetime, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> TrainingSet:
    """Stage the rows with prediction_time in ``[as_of - window, as_of - evaluation.window)`` whose labels were known.

    Also opens the parent run in MLflow. Building again gives the same set, unless the lake has changed meanwhile.

    Raises:
        IncompleteError: Intervals that are needed are not in the lake; the message says how to make them.
        FatalError: Too few rows, or one class only.
    """
    from slipstream.features import population_set

    as_of = utc(as_of)
    span = training_span(model, as_of)
    found = population_set(
        model, span.start, span.end, definitions=definitions, lake=lake, settings=settings, as_of=as_of, labels=True
    )
    return stage(model, found, span, as_of=as_of, settings=settings, run=run)


def training_span(model: Model, as_of: datetime) -> Interval:
    """Return where the prediction times of a training at ``as_of`` (UTC) lie; FatalError where that is nowhere."""
    start, end = max(as_of - model.training.window, model.start), as_of - model.evaluation.window
    if start >= end:
        message = (
            f"Model {model.name!r}: nothing to train on at {iso(as_of)}: rows would start at {iso(start)} and the "
            f"evaluation window starts at {iso(end)}. Train at a later time, or shorten evaluation.window."
        )
        raise FatalError(message)
    return Interval(start, end)


def stage(
    model: Model, found: FeatureSet, span: Interval, *, as_of: datetime, settings: Settings, run: Run
) -> TrainingSet:
    """Check, order, split and stage the rows of ``span``, and open the parent run."""
    from slipstream.lake.scratch import Scratch
    from slipstream.training.runs import open_parent

    rows = in_order(found.rows, model)
    check_rows(model, rows, as_of)
    boundary = validation_start(rows, span.end, model.training.validation_share)
    key = training_key(model, as_of)
    staged = TrainingSet(
        model=model.name,
        key=key,
        path=f"training/{model.name}/{key}/{found.digest[:16]}.parquet",
        as_of=as_of,
        train_start=span.start,
        validation_start=boundary,
        train_end=span.end,
        rows=rows.num_rows,
        validation_rows=count_from(rows, boundary),
        versions=dict(found.versions),
        digest=found.digest,
        run_id="",
    )
    check_split(model, rows, staged.rows - staged.validation_rows, boundary)
    Scratch(settings).write(staged.path, rows.schema, rows.to_batches())
    return open_parent(model, staged, settings=settings, run=run)


def in_order(rows: pa.Table, model: Model) -> pa.Table:
    """Sort by time, key, then everything else: a fit depends on the order of its rows in the last bits."""
    first = [TIME, *model.key]
    names = [*first, *(name for name in rows.column_names if name not in first)]
    return rows.sort_by([(name, "ascending") for name in names])


def check_rows(model: Model, rows: pa.Table, as_of: datetime) -> None:
    """Raise FatalError, with the counts, for rows that nothing can be fitted on."""
    import numpy as np

    wanted = model.training.min_rows
    if rows.num_rows < wanted:
        message = (
            f"Model {model.name!r} at {iso(as_of)}: wanted at least {wanted} training rows with a known label, found "
            f"{rows.num_rows}. Wait for more labels, widen training.window, or lower training.min_rows."
        )
        raise FatalError(message)
    label = rows.column(LABEL).to_numpy().astype(np.float64)
    if not np.isfinite(label).all():
        message = (
            f"Model {model.name!r}: {int((~np.isfinite(label)).sum())} label(s) are not finite. Mend {model.label.sql}."
        )
        raise FatalError(message)
    if model.task == "binary_classification":
        _check_classes(model, label, f"the {rows.num_rows} training rows")


def check_split(model: Model, rows: pa.Table, cut: int, boundary: datetime) -> None:
    """Raise FatalError where the part before row ``cut``, at the time ``boundary``, has one class only."""
    if model.task == "binary_classification":
        import numpy as np

        earlier = rows.column(LABEL).to_numpy()[:cut].astype(np.float64)
        _check_classes(model, earlier, f"the rows before {iso(boundary)}, where validation starts")


def _check_classes(model: Model, label: NDArray[np.float64], where: str) -> None:
    import numpy as np

    values, counts = np.unique(label, return_counts=True)
    found = {float(value): int(count) for value, count in zip(values, counts, strict=True)}
    if set(found) == {0.0, 1.0}:
        return
    message = (
        f"Model {model.name!r}: wanted the classes 0 and 1 in {where}, found {found or 'no rows'}. "
        f"Wait for more labels, widen training.window, or mend {model.label.sql}."
    )
    raise FatalError(message)


def validation_start(rows: pa.Table, end: datetime, share: float) -> datetime:
    """Return the prediction_time from which on rows are the validation part: the last ``share`` of the rows' time.

    Rows of one prediction_time stay together. Where that part would be empty, it is the last times by their number.
    """
    import pyarrow.compute as pc

    times = pc.unique(rows.column(TIME)).to_pylist()
    if len(times) < 2:
        message = (
            f"Wanted at least two prediction times to split training from validation, found {len(times)}. "
            f"Widen training.window, or train later."
        )
        raise FatalError(message)
    boundary = times[0] + (end - times[0]) * (1 - share)
    first = next((time for time in times if time >= boundary), None)
    if first is None or first == times[0]:
        first = times[min(max(round(len(times) * (1 - share)), 1), len(times) - 1)]
    return utc(first)


def count_from(rows: pa.Table, boundary: datetime) -> int:
    """Return how many rows have a prediction_time at or after ``boundary``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = rows.column(TIME)
    return int(pc.sum(pc.greater_equal(times, pa.scalar(boundary, times.type))).as_py() or 0)


def read_parts(model: Model, training_set: TrainingSet, *, settings: Settings) -> tuple[Part, Part, dict[str, str]]:
    """Return the training part, the validation part and the kinds of the features, from the staged rows."""
    from slipstream.lake.scratch import Scratch

    rows = Scratch(settings).read(training_set.path)
    return split(model, rows, training_set.rows - training_set.validation_rows)


def split(model: Model, rows: pa.Table, cut: int) -> tuple[Part, Part, dict[str, str]]:
    """Return ordered rows before and from number ``cut`` on as parts, and the kinds of the features."""
    from slipstream.promotion.frames import feature_kinds

    kinds = feature_kinds(rows.schema, model.feature_columns)
    return part(rows.slice(0, cut), kinds), part(rows.slice(cut), kinds), kinds


def together(train: Part, validation: Part, kinds: Mapping[str, str]) -> Part:
    """Return both parts as one, in their order."""
    import pyarrow as pa

    return part(pa.concat_tables([train.rows, validation.rows]), kinds)


def part(rows: pa.Table, kinds: Mapping[str, str]) -> Part:
    """Return rows with their features and labels as an estimator takes them."""
    import numpy as np

    from slipstream.promotion.frames import model_frame

    return Part(rows, model_frame(rows, kinds), rows.column(LABEL).to_numpy().astype(np.float64))


def dataset_source(training_set: TrainingSet) -> str:
    """Return, as JSON, which lake versions a training set was read from."""
    return json.dumps({"lake": dict(sorted(training_set.versions.items()))}, sort_keys=True)
