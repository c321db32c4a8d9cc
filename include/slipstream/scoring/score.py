"""One interval scored by one version: the champion at the moment the task began."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from slipstream.errors import SchemaError
from slipstream.scoring.explaining import every_row, highest_rows, reason_columns, reason_fields, require_explainable

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.intervals import Interval
    from slipstream.lake import Lake, Run
    from slipstream.promotion import LoadedModel
    from slipstream.promotion.registry import VersionDetails
    from slipstream.scoring.explaining import Chosen
    from slipstream.settings import Settings

logger = logging.getLogger(__name__)

# No setting: linear algebra on another number of rows gives other last bits, and with them another digest.
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Scored:
    """Predictions of one interval, scored and not yet published.

    Attributes:
        reads: Digest of what the features' intervals held (see ``Provenance``).
        in_sample: Whether the version was trained on rows of this interval, so that its scores say nothing about it.
    """

    model: str
    interval: str
    path: str
    rows: int
    model_version: str
    versions: Mapping[str, int]
    reads: str = ""
    in_sample: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "versions": dict(self.versions)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scored:
        return cls(**values)


@dataclass(frozen=True)
class Published:
    """One interval of ``predictions/<model>`` as it is now."""

    model: str
    interval: str
    rows: int
    model_version: str
    version: int
    digest: str
    changed: bool
    in_sample: bool = False

    def as_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def score_population(
    model: Model, interval: Interval, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Scored:
    """Score the population of ``interval`` (UTC) with the champion, a batch at a time, into staging.

    The features are those that the champion was trained on, also where model.yaml names others by now. An interval
    that the champion was trained on is scored too, with a warning: its scores are no evidence of how good it is.

    Raises:
        NoChampionError: No version is champion.
        IncompleteError: An interval that the features need is not in the lake.
        SchemaError: A feature of the champion does not exist any more, or it cannot give the reasons that are wanted.
        FatalError: The reasons do not add up to the scores.
    """
    import pyarrow as pa

    from slipstream.features import feature_batches, model_inputs
    from slipstream.features.inputs import contents, pin, require
    from slipstream.features.population import population_schema
    from slipstream.lake.scratch import Scratch
    from slipstream.promotion import Registry, resolve_champion

    registry, scratch = Registry.from_settings(settings), Scratch(settings)
    version = resolve_champion(model, lake=lake, settings=settings)
    champion, details = registry.load(model.name, version), registry.details(model.name, version)
    in_sample = _in_sample(interval, details)
    require_explainable(model, champion)
    as_trained = with_features_of(model, champion, definitions)
    needed = model_inputs(as_trained, interval, definitions=definitions)
    versions = pin(lake, needed)
    require(lake, needed, who=f"Scoring {model.name!r} for {interval}", versions=versions)
    batches = feature_batches(
        as_trained,
        interval,
        definitions=definitions,
        lake=lake,
        settings=settings,
        versions=versions,
        rows=ROWS_AT_ONCE,
    )
    first = next(batches, None)
    if first is None:
        found = population_schema(as_trained, definitions=definitions, lake=lake, settings=settings, versions=versions)
    else:
        found, batches = first.schema, chain([first], batches)
    schema = predictions_schema(model, found)
    # Another run of the same interval leaves its rows elsewhere; another try of this one replaces them.
    owner = hashlib.sha256(f"{run.dag_id}/{run.run_id}".encode()).hexdigest()[:16]
    path = f"scoring/{model.name}/{interval.start:%Y%m%dT%H%M%SZ}.{owner}.parquet"
    scored = ((batch, champion.score(pa.Table.from_batches([batch]))) for batch in batches)
    chosen = every_row(scored)
    if model.scoring.explain and model.scoring.explain.top_fraction:
        waiting = {"key": model.key, "schema": found, "scratch": scratch, "path": f"{path}.waiting"}
        chosen = highest_rows(scored, model.scoring.explain.top_fraction, **waiting)
    rows = scratch.write(path, schema, _predictions(as_trained, champion, details.run_id, schema, chosen))
    reads = contents(lake, needed, versions)
    return Scored(model.name, str(interval), path, rows, champion.version, versions, reads, in_sample)


def _in_sample(interval: Interval, champion: VersionDetails) -> bool:
    """Tell, also in the log, whether the champion was trained on rows of ``interval``."""
    from slipstream.intervals import iso

    found = interval.start < champion.train_end and champion.train_start < interval.end
    if found:
        logger.warning(
            "%s version %s was trained on rows of %s (its training rows go from %s to %s): these predictions are "
            "in-sample, and marked so; do not judge the version by them.",
            champion.model,
            champion.version,
            interval,
            iso(champion.train_start),
            iso(champion.train_end),
        )
    return found


def publish_predictions(
    model: Model, scored: Scored, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Published:
    """Replace the interval of ``predictions/<model>`` by what was scored; the same scores again change nothing.

    What was scored stays in staging, so that a try that is killed after its commit can be tried again.
    """
    from slipstream.intervals import Interval
    from slipstream.lake import Provenance
    from slipstream.lake.scratch import Scratch

    scratch = Scratch(settings)
    provenance = Provenance(
        run=run,
        inputs=scored.versions,
        definition=model.scoring_digest,
        reads=scored.reads,
        extra={"model_version": scored.model_version, "in_sample": scored.in_sample},
    )
    interval = Interval.parse(scored.interval)
    commit = lake.table(model.table).write(interval, scratch.batches(scored.path), provenance=provenance)
    return Published(
        model=model.name,
        interval=str(interval),
        rows=commit.rows,
        model_version=scored.model_version,
        version=commit.version,
        digest=commit.digest,
        changed=commit.changed,
        in_sample=scored.in_sample,
    )


def score(
    model: Model, interval: Interval, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Published:
    """Score and publish one interval: what the two tasks do, in one call."""
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings, "run": run}
    from slipstream.lake.scratch import Scratch

    scored = score_population(model, interval, **source)
    published = publish_predictions(model, scored, **source)
    Scratch(settings).remove(scored.path)
    return published


def with_features_of(model: Model, loaded: LoadedModel, definitions: Definitions) -> Model:
    """Return ``model`` with the features that a version was trained on; SchemaError where one is gone."""
    known = {
        f"{view.name}__{feature}": f"{view.name}:{feature}"
        for view in definitions.views.values()
        for feature in view.features
    }
    gone = [column for column in loaded.feature_columns if column not in known]
    if gone:
        message = (
            f"Version {loaded.version} of {model.name!r} was trained on {', '.join(gone)}, which no view gives any "
            "more. Bring the feature back, or promote a version that does without."
        )
        raise SchemaError(message)
    return model.model_copy(update={"features": tuple(known[column] for column in loaded.feature_columns)})


def predictions_schema(model: Model, population: pa.Schema) -> pa.Schema:
    """Return the columns of ``predictions/<model>``: key, prediction_time (UTC), score, model_version, model_run_id.

    A key has the type that the population's SQL gives it. A model with ``scoring.explain`` adds ``baseline`` and
    ``reasons``.
    """
    import pyarrow as pa

    from slipstream.features.population import TIME_COLUMN

    return pa.schema(
        [
            *(population.field(name) for name in model.key),
            pa.field(TIME_COLUMN, pa.timestamp("us", tz="UTC")),
            pa.field("score", pa.float64()),
            pa.field("model_version", pa.string()),
            pa.field("model_run_id", pa.string()),
            *(reason_fields() if model.scoring.explain else ()),
        ]
    )


def _predictions(
    model: Model, champion: LoadedModel, run_id: str, schema: pa.Schema, rows: Iterator[Chosen]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    explain = model.scoring.explain
    for batch, scores, chosen in rows:
        columns = [
            *(batch.column(name) for name in model.key),
            batch.column("prediction_time"),
            pa.array(scores, pa.float64()),
            pa.repeat(champion.version, batch.num_rows),
            pa.repeat(run_id, batch.num_rows),
        ]
        if explain:
            columns += reason_columns(champion, batch, chosen, names=model.features, top=explain.top)
        yield pa.record_batch(columns, schema=schema)
