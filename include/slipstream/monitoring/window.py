"""The predictions of a window with the features behind them, beside the reference of the version that made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstream.intervals import Interval, utc
from slipstream.monitoring.inputs import predicted

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

TIME = "prediction_time"


@dataclass(frozen=True)
class Window:
    """Sampled predictions with features and score, and what they are compared with."""

    version: str
    kinds: Mapping[str, str]
    predictions: int  # before sampling
    rows: pa.Table
    reference: pa.Table
    versions: Mapping[str, int]


def read_window(
    model: Model, interval: Interval, window: Interval, *, definitions: Definitions, lake: Lake, settings: Settings
) -> Window:
    """Read a deterministic sample of the predictions in ``window``, join their features anew, and the reference.

    The rows are sampled before their features are looked up, so that the cost does not grow with their number.
    """
    from slipstream.features.inputs import pin, require
    from slipstream.features.sampling import sample_rows
    from slipstream.promotion import Registry

    needed = predicted(model, Interval(max(window.start, interval.start), window.end))
    pinned = pin(lake, [needed])
    require(lake, [needed], who=f"Monitoring {model.name!r} for {interval}", versions=pinned)
    keys = [*model.key, TIME]
    predictions, version, number = None, None, 0
    if model.table in pinned:
        columns, at = [*keys, "score", "model_version"], pinned[model.table]
        reader = lake.table(model.table).batches(window.start, window.end, columns=columns, version=at)
        counts: list[int] = []
        predictions = sample_rows(_counted(reader, counts), reader.schema, keys, model.monitoring.sample)
        number = sum(counts)
        version = newest_version(predictions)
    registry, version = Registry.from_settings(settings), version or _champion(model, lake, settings)
    loaded = registry.load(model.name, version)
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings}
    rows, versions = _with_features(model, loaded, window, predictions, **source)
    reference = registry.reference(model.name, version)
    return Window(version, dict(loaded.kinds), number, rows, reference, {**versions, **pinned})


def _counted(batches: Iterable[pa.RecordBatch], counts: list[int]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        counts.append(batch.num_rows)
        yield batch


def newest_version(predictions: pa.Table) -> str | None:
    """Return the version that made the newest predictions: the same one however often a window is looked at."""
    import pyarrow.compute as pc

    if not predictions.num_rows:
        return None
    newest = predictions.filter(pc.equal(predictions[TIME], pc.max(predictions[TIME])))
    return str(max(newest["model_version"].to_pylist(), key=int))


def _champion(model: Model, lake: Lake, settings: Settings) -> str:
    from slipstream.promotion import resolve_champion

    return str(resolve_champion(model, lake=lake, settings=settings))


def _with_features(
    model: Model, loaded: Any, window: Interval, predictions: pa.Table | None, **source: Any
) -> tuple[pa.Table, Mapping[str, int]]:
    """Return the predictions with their features, as they were when the predictions were made."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from slipstream.features import population_set
    from slipstream.features.sampling import below, row_hashes
    from slipstream.scoring.score import with_features_of

    if predictions is None or not predictions.num_rows:
        return pa.table({}), {}
    keys = [*model.key, TIME]
    limit = row_hashes(predictions, keys).max()
    first = utc(pc.min(predictions[TIME]).as_py())
    found = population_set(
        with_features_of(model, loaded, source["definitions"]),
        first,
        window.end,
        keep=lambda batch: batch.filter(pa.array(below(batch, keys, limit))),
        **source,
    )
    scores = predictions.group_by(keys, use_threads=False).aggregate([("score", "max")])
    rows = found.rows.join(scores.rename_columns([*keys, "score"]), keys=keys, join_type="inner", use_threads=False)
    return rows.sort_by([(name, "ascending") for name in (TIME, *model.key)]).combine_chunks(), found.versions
