"""The reasons of one prediction: those that were stored with it, or computed anew from the version that made it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.errors import FatalError, NotFoundError, SchemaError
from slipstream.intervals import Interval, iso, utc
from slipstream.scoring.explaining import reasons_of, require_explainable
from slipstream.scoring.score import with_features_of

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.attribution import Unit
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.lake.tables import Table
    from slipstream.promotion import LoadedModel
    from slipstream.settings import Settings

_SAME = 1e-9  # a score that was computed again may differ by so much from the stored one, on another processor
_FAR = {"log-odds": 20.0}  # from here on a chance is so close to 1 that its margin cannot be read from it to 1e-6


@dataclass(frozen=True)
class Reason:
    """What one feature contributed; ``value`` as words, None where it was missing."""

    feature: str
    value: str | None
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """One prediction, from its baseline to its score: ``baseline`` + ``reasons`` + ``others`` = ``margin``.

    Attributes:
        margin: The score on the scale ``unit``, on which baseline and contributions are counted too.
        others: What all features that are not among the reasons contributed together.
        stored: Whether the reasons were stored with the prediction; else they were computed anew.
        predictions: How many predictions of this key there are in what was searched; this is the newest.
    """

    model: str
    version: str
    key: Mapping[str, Any]
    prediction_time: datetime
    score: float
    unit: Unit
    baseline: float
    reasons: tuple[Reason, ...]
    others: float
    margin: float
    stored: bool
    predictions: int

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "key": dict(self.key)}


def explain_prediction(
    model: Model,
    key: Mapping[str, str],
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    at: datetime | None = None,
    every: bool = False,
) -> Explanation:
    """Return why ``model`` gave the newest prediction of ``key`` its score.

    Reasons that are not stored are computed from the version that made the prediction and the features that it saw,
    rebuilt from the table versions that its commit names.

    Args:
        key: A value for each column of the model's key.
        at: Search only the scoring interval that holds this time (UTC).
        every: Return all features, computed anew also where reasons are stored.

    Raises:
        NotFoundError: There is no such prediction; the message says which there are.
        SchemaError: A value does not fit its column, or the version cannot be explained.
        FatalError: The features of then cannot be rebuilt: they give another score.
    """
    from slipstream.attribution.trees import margin
    from slipstream.promotion import Registry

    row, number = _find(model, key, lake=lake, at=at)
    loaded = Registry.from_settings(settings).load(model.name, row["model_version"])
    require_explainable(model, loaded, asked=True)
    total = float(margin(loaded.explainer.unit, np.array([row["score"]]))[0])
    stored = row.get("reasons") is not None and not every and abs(total) < _FAR.get(loaded.explainer.unit, np.inf)
    if stored:
        baseline, reasons = float(row["baseline"]), row["reasons"]
    else:
        top = len(loaded.feature_columns) if every else model.scoring.explain.top if model.scoring.explain else 5
        source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings}
        baseline, reasons, total = _anew(model, row, loaded, top=top, **source)
    return Explanation(
        model=model.name,
        version=loaded.version,
        key={name: row[name] for name in model.key},
        prediction_time=row["prediction_time"],
        score=row["score"],
        unit=loaded.explainer.unit,
        baseline=baseline,
        reasons=tuple(Reason(**each) for each in reasons),
        others=total - baseline - sum(each["contribution"] for each in reasons),
        margin=total,
        stored=stored,
        predictions=number,
    )


def _find(model: Model, key: Mapping[str, str], *, lake: Lake, at: datetime | None) -> tuple[dict[str, Any], int]:
    """Return the newest prediction of ``key``, and how many there are."""
    table = lake.table(model.table)
    if not table.exists():
        message = (
            f"Nothing was predicted by {model.name!r} yet. Score an interval: `slipstream run scoring {model.name} "
            "--interval DAY`."
        )
        raise NotFoundError(message)
    start, end = (None, None) if at is None else (model.cron.floor(utc(at)), model.cron.next(model.cron.floor(utc(at))))
    rows = table.read(start, end, where=_where(model, key, table.schema()))
    if not rows.num_rows:
        raise NotFoundError(_not_found(model, key, table, at))
    newest = rows.sort_by([("prediction_time", "descending")]).slice(0, 1)
    return newest.to_pylist()[0], rows.num_rows


def _where(model: Model, key: Mapping[str, str], schema: pa.Schema) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as pads

    if set(key) != set(model.key):
        message = (
            f"A prediction of {model.name!r} is named by {', '.join(model.key)}; found {', '.join(key) or 'none'}."
        )
        raise SchemaError(message)
    where = None
    for name, text in key.items():
        kind = schema.field(name).type
        try:
            value = pa.scalar(text).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            message = f"Wanted a value of type {kind} for {name}, found {text!r}."
            raise SchemaError(message) from error
        same = pads.field(name) == value
        where = same if where is None else where & same
    return where


def _not_found(model: Model, key: Mapping[str, str], table: Table, at: datetime | None) -> str:
    """Say where the key is to be found instead, or which predictions there are."""
    shown = ", ".join(f"{name}={value}" for name, value in key.items())
    intervals = table.intervals()
    if at is not None:
        times = table.read(columns=["prediction_time"], where=_where(model, key, table.schema()))["prediction_time"]
        if len(times):
            near = min(times.to_pylist(), key=lambda time: abs(time - utc(at)))
            return f"{model.name!r} did not predict {shown} at {iso(utc(at))}; the nearest it did is at {iso(near)}."
    if not intervals:
        return f"{model.name!r} has predicted nothing: no interval of {model.table} is complete."
    last = intervals[-1]
    known = table.read(last.start, last.end, columns=list(model.key)).slice(0, 10_000).to_pylist()
    words = [", ".join(f"{name}={row[name]}" for name in model.key) for row in known]
    near_ones = difflib.get_close_matches(shown, words, n=3, cutoff=0.8) or words[:1]
    hint = f" In the last one there is {' and '.join(near_ones)}." if near_ones else ""
    return (
        f"{model.name!r} never predicted {shown}. It holds {len(intervals)} interval(s) from {iso(intervals[0].start)} "
        f"to {iso(last.end)}.{hint}"
    )


def _anew(
    model: Model,
    row: Mapping[str, Any],
    loaded: LoadedModel,
    *,
    top: int,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
) -> tuple[float, list[dict[str, Any]], float]:
    """Return baseline, reasons and margin, computed from the features that scoring saw."""
    from slipstream.features import population_set

    table, as_trained = lake.table(model.table), with_features_of(model, loaded, definitions)
    interval = _interval(table, row["interval_start"])
    commit = table.commit_of(interval)
    rows = population_set(
        as_trained,
        interval.start,
        interval.end,
        definitions=definitions,
        lake=lake,
        settings=settings,
        versions=commit.provenance["inputs"] if commit else None,
        keep=lambda batch: _one(model, row, batch),
    ).rows
    found = float(loaded.score(rows)[0]) if rows.num_rows == 1 else None
    if found is None or abs(found - row["score"]) > _SAME * max(1.0, abs(found)):
        what = f"{rows.num_rows} rows" if found is None else f"the score {found!r}"
        message = (
            f"The features of this prediction cannot be rebuilt: wanted the score {row['score']!r} that is stored, "
            f"found {what}. The population's SQL or a view's ttl was edited since. Bring back the definition of then, "
            "or score the interval again."
        )
        raise FatalError(message)
    attributions = loaded.attribute(rows)
    reasons = reasons_of(attributions, rows, names=as_trained.features, top=top).to_pylist()[0]
    return attributions.baseline, reasons, float(attributions.margin[0])


def _interval(table: Table, start: datetime) -> Interval:
    return next(each for each in table.intervals() if each.start == start)


def _one(model: Model, row: Mapping[str, Any], batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the row of a population that became the prediction ``row``."""
    import pyarrow.compute as pc

    names = [*model.key, "prediction_time"]
    same = [pc.equal(batch.column(name), row[name]) for name in names]
    return batch.filter(functools.reduce(pc.and_, same))
