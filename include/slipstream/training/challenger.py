"""The best candidate, refitted, logged and registered once, as the model's challenger."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError
from slipstream.promotion.registry import CHALLENGER, DEFINITION, PREFIX, REFERENCE, Registry
from slipstream.promotion.tracking import set_tags, speaks_mlflow
from slipstream.provenance import pip_requirements
from slipstream.training.artifacts import find_logged_model, is_ready, log_estimator
from slipstream.training.dataset import build_training_set, read_parts, together
from slipstream.training.fitting import Candidate, candidate_params, fit, fit_candidate
from slipstream.training.reference import reference_rows
from slipstream.training.runs import log_numbers, training_tags

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow.entities import LoggedModel

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings
    from slipstream.training.dataset import Part, TrainingSet


@dataclass(frozen=True)
class Registered:
    """A registered challenger.

    Attributes:
        candidate: Index of the candidate that it was refitted from.
        metrics: Of that candidate: ``train.<metric>`` and ``validation.<metric>``.
        run_id: The parent run in MLflow, which holds the model, its curves and its reference sample.
    """

    model: str
    version: str
    run_id: str
    model_id: str
    key: str
    candidate: int
    params: Mapping[str, Any]
    metrics: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "params": dict(self.params), "metrics": dict(self.metrics)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Registered:
        return cls(**values)


@speaks_mlflow
def register_challenger(
    model: Model, training_set: TrainingSet, candidates: Sequence[Candidate], *, settings: Settings, run: Run
) -> Registered:
    """Refit the candidate of the least validation loss, register it, and point ``challenger`` to it.

    However often it is killed and tried again, one version of ``training_set.key`` comes out; once that exists, it is
    what is returned. The alias does not move back from a newer version, nor to one that was promoted already.

    Raises:
        FatalError: No candidates, or an estimator that cannot be saved without pickle.
    """
    registry = Registry.from_settings(settings)
    best = best_candidate(model, candidates)
    logged = _logged_model(registry, model, training_set)
    if logged is None or not is_ready(logged):
        logged = _fit_and_log(registry, model, training_set, best, settings=settings)
    parent = registry.client.get_run(training_set.run_id).data.tags
    chosen = Candidate.from_dict(json.loads(parent[f"{PREFIX}chosen"]))
    names = [*training_tags(model, training_set, settings=settings), f"{PREFIX}params", f"{PREFIX}baseline"]
    version = registry.register(
        model.name,
        key=training_set.key,
        source=f"models:/{logged.model_id}",
        run_id=training_set.run_id,
        model_id=logged.model_id,
        tags={name: parent[name] for name in names if name in parent},
    )
    point_challenger(registry, model.name, version)
    registry.client.set_terminated(training_set.run_id, "FINISHED")
    return Registered(
        model=model.name,
        version=version,
        run_id=training_set.run_id,
        model_id=logged.model_id,
        key=training_set.key,
        candidate=chosen.index,
        params=chosen.params,
        metrics=chosen.metrics,
    )


def best_candidate(model: Model, candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate of the least validation loss; of equals the one that stands first in the grid."""
    import math

    comparable = [each for each in candidates if math.isfinite(each.loss)]
    if not comparable:
        message = f"Model {model.name!r}: no candidate has a validation loss; found {len(candidates)} candidate(s)."
        raise FatalError(message)
    return min(comparable, key=lambda each: (each.loss, each.index))


def _logged_model(registry: Registry, model: Model, training_set: TrainingSet) -> LoggedModel | None:
    experiment = registry.client.get_run(training_set.run_id).info.experiment_id
    return find_logged_model(registry.client, experiment, training_set.key)


def _fit_and_log(
    registry: Registry, model: Model, training_set: TrainingSet, best: Candidate, *, settings: Settings
) -> LoggedModel:
    train, validation, kinds = read_parts(model, training_set, settings=settings)
    params = candidate_params(model, best.index)
    honest = fit(model, params, train)
    reference = reference_rows(model, params, honest, train, validation, kinds, training_set.train_end)
    _log_validation(registry, model, honest, validation, reference, training_set.run_id)
    whole = together(train, validation, kinds)
    final = fit(model, params, whole) if model.training.refit else honest
    fitted_on = whole if model.training.refit else train
    client = registry.client
    # The tags come before the model: once the model is READY, a retry relies on them.
    about = {f"{PREFIX}chosen": json.dumps(best.as_dict()), f"{PREFIX}params": json.dumps(dict(best.params))}
    about |= training_tags(model, training_set, settings=settings)
    set_tags(client, training_set.run_id, {**about, f"{PREFIX}baseline": repr(baseline(model, fitted_on))})
    log_numbers(client, training_set.run_id, params={**best.params, "random_state": model.seed}, metrics=best.metrics)
    return log_estimator(
        client,
        model,
        final,
        key=training_set.key,
        run_id=training_set.run_id,
        example=fitted_on.frame,
        kinds=kinds,
        requirements=pip_requirements(),
    )


def baseline(model: Model, rows: Part) -> float:
    """Return the best constant for the rows: the share of positives, or the median."""
    import numpy as np

    return float(rows.label.mean() if model.task == "binary_classification" else np.median(rows.label))


def _log_validation(
    registry: Registry, model: Model, estimator: Any, rows: Part, reference: pa.Table, run_id: str
) -> None:
    import pyarrow.parquet as pq

    from slipstream.promotion.loading import predict
    from slipstream.training.pictures import draw

    score = predict(model.task, estimator, rows.frame)
    with tempfile.TemporaryDirectory() as folder:
        curves, sample = Path(folder) / "curves", Path(folder) / REFERENCE
        curves.mkdir()
        sample.parent.mkdir()
        draw(model.task, rows.label, score, curves)
        pq.write_table(reference, sample)
        (Path(folder) / DEFINITION).write_text(json.dumps(model.as_record(), indent=2), encoding="utf-8")
        registry.client.log_artifacts(run_id, folder)


def point_challenger(registry: Registry, model: str, version: str) -> None:
    """Point ``challenger`` to ``version``, unless it points to a newer one, or this one was promoted already."""
    current = registry.version(model, CHALLENGER)
    decided = registry.details(model, version).verdict == "accepted"
    if not decided and (current is None or int(current) <= int(version)):
        registry.set_alias(model, CHALLENGER, version)


def train(
    model: Model, as_of: datetime, *, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Registered:
    """Build the training set, fit every candidate and register the best: the three tasks in a row."""
    staged = build_training_set(model, as_of, definitions=definitions, lake=lake, settings=settings, run=run)
    indices = range(len(model.training.grid()))
    candidates = [fit_candidate(model, staged, index, settings=settings, run=run) for index in indices]
    return register_challenger(model, staged, candidates, settings=settings, run=run)
