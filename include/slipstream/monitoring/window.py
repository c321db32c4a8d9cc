"""The predictions of a window that count, with the features behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import NoChampionError
from slipstream.intervals import Interval, utc
from slipstream.monitoring.inputs import own_predictions, predicted, watched_since

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Model
    from slipstream.lake import Lake
    from slipstream.promotion import LoadedModel
    from slipstream.settings import Settings

TIME = "prediction_time"


@dataclass
class Predictions:
    """A deterministic sample of a window's predictions, and what was seen on the way.

    Attributes:
        rows: Key, prediction_time, score and model_version; of those that count.
        number: How many count, before sampling.
        in_sample: How many do not, since they are of a time that their version was trained on, or of before there was
            a champion.
        version: The version that made the newest prediction, counting or not; None where there is none.
        counts: How many that count each version made.
        read: Table to the Delta version that was read.
    """

    rows: pa.Table
    number: int = 0
    in_sample: int = 0
    version: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    _newest: datetime | None = None


def first_watched(model: Model, *, lake: Lake) -> datetime:
    """Return ``watched_since``; NoChampionError where nothing has been promoted yet."""
    since = watched_since(model, lake=lake)
    if since is None:
        message = (
            f"Model {model.name!r} has no champion yet, so there is nothing to watch. Run its training: "
            f"`slipstream run training {model.name}` or the DAG {model.name}.training."
        )
        raise NoChampionError(message)
    return since


def read_predictions(
    model: Model, interval: Interval, window: Interval, *, since: datetime, lake: Lake, settings: Settings
) -> Predictions:
    """Read at most ``monitoring.sample`` predictions of ``window``, from ``since`` (UTC) on, the same ones each time.

    A prediction of a time that its own version was trained on does not count.

    Raises:
        IncompleteError: An interval of the window has not been scored.
    """
    from slipstream.features.inputs import merge, pin, require
    from slipstream.features.sampling import sample_rows
    from slipstream.promotion import Registry

    needed = [predicted(model, window, since)]
    if window.end == interval.end:
        needed = merge([*needed, own_predictions(model, interval)])
    pinned = pin(lake, needed)
    require(lake, needed, who=f"Monitoring {model.name!r} for {interval}", versions=pinned)
    keys = [*model.key, TIME]
    if model.table not in pinned:
        return Predictions(_none(keys))
    trained = {version: until for version, (_, until) in Registry.from_settings(settings).times(model.name).items()}
    reader = lake.table(model.table).batches(
        model.cron.floor(window.start),
        window.end,
        columns=[*keys, "score", "model_version"],
        version=pinned[model.table],
    )
    found = Predictions(_none(keys), read=pinned)
    batches = _counting(reader, Interval(window.start, window.end), since, trained, found)
    found.rows = sample_rows(batches, reader.schema, keys, model.monitoring.sample)
    return found


def _none(keys: list[str]) -> pa.Table:
    import pyarrow as pa

    types = {TIME: pa.timestamp("us", tz="UTC"), "score": pa.float64()}
    return pa.schema([(name, types.get(name, pa.string())) for name in (*keys, "score", "model_version")]).empty_table()


def _counting(
    batches: Iterable[pa.RecordBatch],
    window: Interval,
    since: datetime,
    trained: Mapping[str, datetime],
    found: Predictions,
) -> Iterator[pa.RecordBatch]:
    """Yield the predictions that count, and note in ``found`` what is seen."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = pa.timestamp("us", tz="UTC")
    begin, end = (pa.scalar(each, moment) for each in (window.start, window.end))
    for batch in batches:
        inside = batch.filter(pc.and_(pc.greater_equal(batch[TIME], begin), pc.less(batch[TIME], end)))
        if not inside.num_rows:
            continue
        counted = []
        for version in sorted(set(inside["model_version"].to_pylist())):
            mine = inside.filter(pc.equal(inside["model_version"], version))
            _note_newest(found, version, utc(pc.max(mine[TIME]).as_py()))
            first = max(since, trained.get(version, since))
            kept = mine.filter(pc.greater_equal(mine[TIME], pa.scalar(first, moment)))
            found.in_sample += mine.num_rows - kept.num_rows
            found.number += kept.num_rows
            if kept.num_rows:
                found.counts[version] = found.counts.get(version, 0) + kept.num_rows
                counted.append(kept)
        yield from counted


def _note_newest(found: Predictions, version: str, at: datetime) -> None:
    newest = found._newest
    later = newest is None or at > newest
    if later or (at == newest and found.version is not None and int(version) > int(found.version)):
        found._newest, found.version = at, version


def with_features(
    model: Model, loaded: LoadedModel, window: Interval, predictions: pa.Table, **source: Any
) -> tuple[pa.Table, Mapping[str, int]]:
    """Return sampled predictions with their features, as they were when the predictions were made.

    The rows are sampled before their features are looked up, so that the cost does not grow with their number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from slipstream.features import population_set
    from slipstream.features.sampling import below, row_hashes
    from slipstream.scoring.score import with_features_of

    if not predictions.num_rows:
        return pa.table({}), {}
    keys = [*model.key, TIME]
    limit = row_hashes(predictions, keys).max()
    found = population_set(
        with_features_of(model, loaded, source["definitions"]),
        utc(pc.min(predictions[TIME]).as_py()),
        window.end,
        keep=lambda batch: batch.filter(pa.array(below(batch, keys, limit))),
        **source,
    )
    scores = predictions.group_by(keys, use_threads=False).aggregate([("score", "max")])
    rows = found.rows.join(scores.rename_columns([*keys, "score"]), keys=keys, join_type="inner", use_threads=False)
    return rows.sort_by([(name, "ascending") for name in (TIME, *model.key)]).combine_chunks(), found.versions
