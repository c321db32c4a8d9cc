"""A version of this registry as one signed archive, for another registry."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.errors import ArchiveError
from slipstream.promotion import Registry, trace
from slipstream.promotion.registry import DEFINITION, REFERENCE
from slipstream.promotion.tracking import mlflow_errors
from slipstream.transfer.container import describe, write_archive
from slipstream.transfer.keys import fingerprint, signing_key
from slipstream.transfer.manifest import (
    CURVE,
    CURVES,
    JUDGED,
    LINEAGE,
    MODEL,
    MODEL_FILES,
    MORE_MODEL_FILES,
    PAGES,
    RECORD,
    RUN,
    Manifest,
    Record,
    Source,
    is_carried,
)

if TYPE_CHECKING:
    from slipstream.lake import Lake
    from slipstream.promotion import VersionDetails
    from slipstream.settings import Settings

_OF_MLFLOW = "registered_model_meta"  # what MLflow's client adds to a folder that it downloads


@dataclass(frozen=True)
class Exported:
    """An archive that was written.

    Attributes:
        archive: SHA-256 of the file.
        key: Fingerprint of the key that signed it.
        verdict: Outcome of the last verdict on the version.
    """

    model: str
    version: str
    registry: str
    environment: str
    file: str
    size: int
    archive: str
    key: str
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def export_version(model: str, version: str, target: Path, *, lake: Lake, settings: Settings) -> Exported:
    """Write ``version`` with its verdict, its card and what it was made of to ``target``, signed.

    The same version with the same verdict gives the same bytes.

    Raises:
        SettingsError: There is no key to sign with.
        NotFoundError: There is no such version.
        ArchiveError: It has no verdict yet, or the file cannot be written.
        FatalError: It is not in skops format, or holds a type that is not on the list of trusted ones.
    """
    from slipstream import __version__

    key, registry = signing_key(settings), Registry.from_settings(settings)
    details = registry.details(model, version)
    if details.verdict is None:
        message = (
            f"{model} version {version} was not judged here yet, and a version goes with its verdict. "
            f"Trigger {model}.promotion, then export it."
        )
        raise ArchiveError(message)
    registry.load(model, version)  # what scoring would refuse to load is not sent to others either
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _collect(details, folder, registry=registry, lake=lake, settings=settings)
        manifest = Manifest(
            model=model,
            version=details.version,
            slipstream=__version__,
            source=Source(registry=registry.identity(), environment=settings.environment, run_id=details.run_id),
            members=describe(folder),
        )
        digest = write_archive(manifest, folder, target, key)
    return Exported(
        model=model,
        version=details.version,
        registry=manifest.source.registry,
        environment=settings.environment,
        file=str(target),
        size=target.stat().st_size,
        archive=digest,
        key=fingerprint(key.public_key()),
        verdict=details.verdict,
    )


def _collect(details: VersionDetails, folder: Path, *, registry: Registry, lake: Lake, settings: Settings) -> None:
    """Put every file of the archive below ``folder``, under the name that it has there."""
    import mlflow

    with tempfile.TemporaryDirectory() as name, mlflow_errors(f"{details.model} version {details.version}"):
        around = Path(name)
        model = mlflow.artifacts.download_artifacts(
            artifact_uri=f"models:/{details.model}/{details.version}",
            dst_path=str(around / "model"),
            tracking_uri=registry.tracking_uri,
        )
        run = around / "run"
        run.mkdir()
        there = {each.path for each in registry.client.list_artifacts(details.run_id)}
        for path in there & {*PAGES, DEFINITION, *(Path(each).parts[0] for each in (REFERENCE, CURVES))}:
            registry.client.download_artifacts(details.run_id, path, str(run))
        _no_others(details, Path(model))
        _take(details, Path(model), folder / MODEL, (*MODEL_FILES, *MORE_MODEL_FILES))
        _take(details, run, folder / JUDGED, PAGES, whole=True)
        _take(details, run, folder / RUN, (DEFINITION, REFERENCE), whole=True)
        curves = (f"{CURVES}/{each.name}" for each in (run / CURVES).glob("*"))
        _take(details, run, folder / RUN, (each for each in curves if CURVE.fullmatch(f"{RUN}{each}")))
    tables = trace(details.model, details.version, lake=lake, settings=settings).tables
    told = json.dumps([each.as_dict() for each in tables], indent=1, sort_keys=True)
    (folder / LINEAGE).write_text(f"{told}\n", encoding="utf-8")
    (folder / RECORD).write_bytes(_record(details, registry).as_bytes())


def _no_others(details: VersionDetails, model: Path) -> None:
    found = {each.relative_to(model).as_posix() for each in model.rglob("*") if each.is_file()}
    if others := sorted(found - {*MODEL_FILES, *MORE_MODEL_FILES, _OF_MLFLOW}):
        message = (
            f"{details.model} version {details.version} cannot be exported: beside what training writes, its model "
            f"holds {', '.join(others)}, and nobody would read these on the other side."
        )
        raise ArchiveError(message)


def _take(details: VersionDetails, source: Path, target: Path, names: Iterable[str], *, whole: bool = False) -> None:
    """Copy those of ``names`` that are there; with ``whole``, all have to be."""
    wanted = list(names)
    if whole and (missing := [name for name in wanted if not (source / name).is_file()]):
        message = (
            f"{details.model} version {details.version} cannot be exported: its run lacks {', '.join(missing)}. "
            f"Trigger {details.model}.promotion with this version, which writes its verdict and its card; what "
            f"training wrote only a training writes again."
        )
        raise ArchiveError(message)
    for name in wanted:
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)


def _record(details: VersionDetails, registry: Registry) -> Record:
    run = registry.client.get_run(details.run_id)
    tags = registry.client.get_model_version(details.model, details.version).tags
    found = run.inputs.dataset_inputs if run.inputs else []
    return Record(
        tags=_carried(tags),
        run_tags=_carried(run.data.tags),
        params=dict(sorted(run.data.params.items())),
        metrics={name: float(value) for name, value in sorted(run.data.metrics.items())},
        dataset={name: str(value) for name, value in dict(found[0].dataset).items()} if found else {},
    )


def _carried(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: str(tags[name]) for name in sorted(tags) if is_carried(name)}
