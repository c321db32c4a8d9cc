"""A version of another registry, registered here: checked whole, then written in an order that a kill cannot spoil."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.promotion import Registry
from slipstream.promotion.origin import FOLDER, Origin
from slipstream.promotion.tracking import KEY, ROLE, experiment_id, find_or_create_run, set_tags, speaks_mlflow
from slipstream.training.artifacts import begin_logged_model, is_ready
from slipstream.training.challenger import point_challenger
from slipstream.training.runs import log_numbers
from slipstream.transfer.container import read_archive
from slipstream.transfer.fitting import Arrived, check_version
from slipstream.transfer.keys import trusted_keys
from slipstream.transfer.manifest import JUDGED, LINEAGE, MANIFEST, MODEL, RUN, SIGNATURE

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from slipstream.definitions import Definitions, Model
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Imported:
    """A version that is registered here now.

    Attributes:
        version: Its number here.
        new: Whether it was not there when this import looked; of two at once, both may say so.
        notes: What its reader should know, in sentences.
    """

    model: str
    version: str
    run_id: str
    new: bool
    origin: Origin
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "notes": list(self.notes)}


def import_archive(file: Path, *, definitions: Definitions, settings: Settings) -> Imported:
    """Check an archive, register what it holds as a version of its model here, and point ``challenger`` to it.

    Nothing is written before everything is checked. The same archive once more gives the same version, also where the
    first import was killed, and where two run at once.

    Raises:
        SettingsError: No key is trusted here.
        ArchiveError: The archive is not one that a trusted key signed, byte for byte, or what it holds does not fit.
    """
    keys = trusted_keys(settings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest, digest, signer = read_archive(file, folder, keys=keys, limit=settings.archive_bytes)
        arrived = check_version(manifest, folder, definitions=definitions, settings=settings)
        origin = Origin(
            registry=manifest.source.registry,
            environment=manifest.source.environment,
            version=manifest.version,
            archive=digest,
            key=signer,
            verdict=arrived.verdict.outcome,
        )
        return _register(arrived, origin, settings=settings)


@speaks_mlflow
def _register(arrived: Arrived, origin: Origin, *, settings: Settings) -> Imported:
    registry, model, key = Registry.from_settings(settings), arrived.definition, arrived.manifest.key
    version = registry.find(model.name, key)
    new = version is None
    if version is None:
        version = _write(arrived, origin, registry=registry, model=model, key=key)
    # A retry may find the version that a killed import left: what follows it is done again.
    details = registry.details(model.name, version)
    told = f"It was {origin.sentence}."
    registry.describe(model.name, version, lambda before: before or told)
    point_challenger(registry, model.name, version)
    registry.client.set_terminated(details.run_id, "FINISHED")
    return Imported(model.name, version, details.run_id, new, details.origin or origin, arrived.notes)


def _write(arrived: Arrived, origin: Origin, *, registry: Registry, model: Model, key: str) -> str:
    """Write the run, its files and the model, and at the very end the version, with all its tags at once."""
    client, folder = registry.client, arrived.folder
    run = find_or_create_run(
        client,
        experiment_id(client, model.name),
        {KEY: key, ROLE: "import"},
        name=f"{model.name} version {origin.version} of {origin.environment}",
    )
    run_id = run.info.run_id
    set_tags(client, run_id, {**arrived.record.run_tags, **origin.as_tags()})
    log_numbers(client, run_id, params=arrived.record.params, metrics=arrived.record.metrics)
    _log_dataset(client, run_id, arrived)
    client.log_artifacts(run_id, str(folder / RUN))
    client.log_artifacts(run_id, str(folder / JUDGED), FOLDER)
    for name in (LINEAGE, MANIFEST, SIGNATURE):
        client.log_artifact(run_id, str(folder / name), FOLDER)
    logged = begin_logged_model(client, model, key=key, run_id=run_id)
    if not is_ready(logged):
        client.log_model_artifacts(logged.model_id, str(folder / MODEL))
        logged = client.finalize_logged_model(logged.model_id, "READY")
    return registry.register(
        model.name,
        key=key,
        source=f"models:/{logged.model_id}",
        run_id=run_id,
        model_id=logged.model_id,
        tags={**arrived.record.tags, **origin.as_tags()},
    )


def _log_dataset(client: MlflowClient, run_id: str, arrived: Arrived) -> None:
    """Say of the training set what its own run said: monitoring asks how many rows it had."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if arrived.record.dataset:
        dataset = Dataset(**arrived.record.dataset)
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
