"""The predictions of a window with the features behind them, beside the champion's reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstream.intervals import Interval
from slipstream.monitoring.inputs import predicted, sample_by_key

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Window:
    """Sampled predictions with features and score, and what they are compared with."""

    version: str
    feature_columns: list[str]
    rows: pa.Table
    reference: pa.Table
    versions: Mapping[str, int]


def read_window(
    model: Model, interval: Interval, window: Interval, *, definitions: Definitions, lake: Lake, settings: Settings
) -> Window:
    """Read a deterministic sample of the predictions in ``window``, join their features anew, and the reference."""
    from slipstream.features import population_set
    from slipstream.features.inputs import pin, require
    from slipstream.promotion import Registry, resolve_champion
    from slipstream.scoring.score import with_features_of

    registry = Registry.from_settings(settings)
    version = resolve_champion(model, lake=lake, settings=settings)
    loaded = registry.load(model.name, version)
    as_trained = with_features_of(model, loaded, definitions)
    needed = predicted(model, Interval(max(window.start, interval.start), window.end))
    pinned = pin(lake, [needed])
    require(lake, [needed], who=f"Monitoring {model.name!r} for {interval}", versions=pinned)
    keys = [*model.key, "prediction_time"]
    predictions = lake.table(model.table).read(
        window.start, window.end, columns=[*keys, "score"], version=pinned.get(model.table)
    )
    predictions = sample_by_key(predictions, keys, model.monitoring.sample)
    found = population_set(as_trained, window.start, window.end, definitions=definitions, lake=lake, settings=settings)
    rows = found.rows.join(predictions, keys=keys, join_type="inner")
    return Window(
        version=version,
        feature_columns=list(loaded.feature_columns),
        rows=rows.combine_chunks(),
        reference=registry.reference(model.name, version),
        versions={**found.versions, **pinned},
    )
