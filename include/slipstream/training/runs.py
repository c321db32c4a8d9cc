"""The runs of one training in MLflow: a parent a key, a child a candidate, each found again by its tags."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slipstream.intervals import iso
from slipstream.promotion.registry import PREFIX
from slipstream.promotion.tracking import (
    CANDIDATE,
    KEY,
    ROLE,
    client_of,
    experiment_id,
    find_or_create_run,
    set_tags,
    speaks_mlflow,
)
from slipstream.provenance import code_version, library_versions, lock_digest
from slipstream.training.dataset import dataset_source

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

    from slipstream.definitions import Model
    from slipstream.lake import Run
    from slipstream.settings import Settings
    from slipstream.training.dataset import TrainingSet

_DIGEST_LENGTH = 36  # of a dataset, in MLflow's tables


def training_tags(model: Model, training_set: TrainingSet, *, settings: Settings) -> dict[str, str]:
    """Return what a run and its version say of how they were made, with the prefix ``slipstream.``."""
    facts = {
        "key": training_set.key,
        "task": model.task,
        "as_of": iso(training_set.as_of),
        "train_start": iso(training_set.train_start),
        "validation_start": iso(training_set.validation_start),
        "train_end": iso(training_set.train_end),
        "versions": json.dumps(dict(sorted(training_set.versions.items()))),
        "training_set_digest": training_set.digest,
        "definition_digest": model.digest,
        "training_digest": model.training_digest,
        "code_version": code_version(settings.project),
        "lock_digest": lock_digest(settings.project),
        "seed": str(model.seed),
        "owner": model.owner,
    }
    return {f"{PREFIX}{name}": value for name, value in facts.items()}


@speaks_mlflow
def open_parent(model: Model, training_set: TrainingSet, *, settings: Settings, run: Run) -> TrainingSet:
    """Return the training set with its parent run, which is made or found again, and says what the set is."""
    client = client_of(settings.tracking_uri)
    parent = find_or_create_run(
        client,
        experiment_id(client, model.name),
        {KEY: training_set.key, ROLE: "parent"},
        name=f"{model.name} as of {iso(training_set.as_of)}",
    )
    if (
        parent.info.status == "FINISHED"
    ):  # its version is registered: what it says is history, whatever the lake says now
        return dataclasses.replace(training_set, run_id=parent.info.run_id)
    libraries = {f"{PREFIX}library.{name}": version for name, version in library_versions().items()}
    who = {f"{PREFIX}run.{name}": value for name, value in run.as_dict().items() if value is not None}
    set_tags(client, parent.info.run_id, {**training_tags(model, training_set, settings=settings), **libraries, **who})
    log_dataset(client, parent.info.run_id, model, training_set)
    return dataclasses.replace(training_set, run_id=parent.info.run_id)


def open_candidate(
    client: MlflowClient, model: Model, training_set: TrainingSet, index: int, *, settings: Settings
) -> MlflowRun:
    """Return the run of one candidate, below the parent."""
    return find_or_create_run(
        client,
        experiment_id(client, model.name),
        {KEY: training_set.key, ROLE: "candidate", CANDIDATE: str(index)},
        name=f"candidate {index}",
        more={"mlflow.parentRunId": training_set.run_id, **training_tags(model, training_set, settings=settings)},
    )


def log_dataset(client: MlflowClient, run_id: str, model: Model, training_set: TrainingSet) -> None:
    """Log the training set as a dataset of the run, its source being the lake versions it was read from."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=f"{model.name}.training",
        digest=training_set.digest[:_DIGEST_LENGTH],
        source_type="slipstream_lake",
        source=dataset_source(training_set),
        schema=json.dumps({"features": model.feature_columns, "label": "label"}),
        profile=json.dumps({"num_rows": training_set.rows, "validation_rows": training_set.validation_rows}),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_numbers(client: MlflowClient, run_id: str, *, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    """Log parameters and metrics in one call; a metric that is not finite is left out, as MLflow cannot keep it."""
    import math
    import time

    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    kept = [Metric(name, value, now, 0) for name, value in metrics.items() if math.isfinite(value)]
    client.log_batch(run_id, metrics=kept, params=[Param(name, str(value)) for name, value in params.items()])
