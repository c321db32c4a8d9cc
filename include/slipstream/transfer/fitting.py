"""Whether what arrived in an archive is a version that may be registered here, asked before anything is written."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipstream.errors import ArchiveError, DefinitionError, FatalError
from slipstream.promotion import Registry
from slipstream.promotion.lineage import TableLineage
from slipstream.promotion.recording import DOCUMENT
from slipstream.promotion.registry import DEFINITION, REFERENCE, details_of
from slipstream.promotion.tracking import KEY
from slipstream.transfer.manifest import JUDGED, LINEAGE, MODEL, RECORD, RUN, Manifest, Record

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.promotion import LoadedModel, Verdict, VersionDetails
    from slipstream.settings import Settings

_TEXT_BYTES = 16 * 1024**2  # of one JSON document
_ROWS = 100  # of the reference sample, that it is tried on


@dataclass(frozen=True)
class Arrived:
    """A version that was checked and fits.

    Attributes:
        folder: Where the archive's files are, under their names in it.
        verdict: The one of the registry that it came from.
        notes: What differs here and there without being a reason to refuse it.
    """

    manifest: Manifest
    folder: Path
    definition: Model
    record: Record
    verdict: Verdict
    notes: tuple[str, ...]


def check_version(manifest: Manifest, folder: Path, *, definitions: Definitions, settings: Settings) -> Arrived:
    """Return what arrived if it is a version of a model that is defined here, and can be loaded and asked.

    Raises:
        ArchiveError: It is not; the message says why.
    """
    what = f"version {manifest.version} of {manifest.model} from the {manifest.source.environment} registry"
    try:
        definition = definitions.model(manifest.model)
    except FatalError as error:
        message = f"The archive holds {what}, which is not defined here. Nothing was imported. {error}"
        raise ArchiveError(message) from error
    _allowed_here(manifest, what, settings)
    try:
        record = Record.from_bytes(_document(folder, RECORD), what=RECORD)
        details, verdict = _details(manifest, record), _verdict(manifest, folder)
        loaded = _load(manifest, folder, settings)
        _fits(loaded, definition, definitions)
        _answers(loaded, folder)
    except ArchiveError:
        raise
    except Exception as error:  # whatever a library makes of bytes that are not what they should be
        message = f"The archive holds {what}, which does not fit here. Nothing was imported. {_told(error)}"
        raise ArchiveError(message) from error
    if settings.environment == "prod" and details.code_version.endswith("-dirty"):
        message = (
            f"The archive holds {what}, which was trained from code that nobody committed ({details.code_version}), so "
            f"nobody could make it again. Production takes no such version: commit, train and export again."
        )
        raise ArchiveError(message)
    return Arrived(manifest, folder, definition, record, verdict, _notes(details, verdict, definition))


def _allowed_here(manifest: Manifest, what: str, settings: Settings) -> None:
    """Refuse what comes from this very registry and, in production, what comes from a development machine."""
    if manifest.source.registry == Registry.from_settings(settings).identity():
        message = f"The archive holds {what}, and that is this very registry: the version is here already."
        raise ArchiveError(message)
    if settings.environment == "prod" and manifest.source.environment == "dev":
        message = (
            f"The archive holds {what}. SLIPSTREAM_ENVIRONMENT is prod here, which takes versions from staging or "
            f"another prod only. Let it pass staging first."
        )
        raise ArchiveError(message)


def _document(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.stat().st_size > _TEXT_BYTES:
        message = f"The archive's {name} has {path.stat().st_size:,} bytes, more than any export writes."
        raise ArchiveError(message)
    return path.read_bytes()


def _details(manifest: Manifest, record: Record) -> VersionDetails:
    from mlflow.entities.model_registry import ModelVersion

    found = ModelVersion(manifest.model, manifest.version, 0, run_id=manifest.source.run_id)
    found._tags = {**record.tags, KEY: manifest.key}  # its constructor wants them as a list of entities
    details = details_of(found)
    wrong = [name for name, version in details.versions.items() if not isinstance(version, int)]
    if wrong:
        message = f"It names no version of {', '.join(wrong)}."
        raise DefinitionError(message)
    return details


def _verdict(manifest: Manifest, folder: Path) -> Verdict:
    """Read what the other side said of the version: its verdict, its lineage, its definition."""
    from slipstream.definitions import Model
    from slipstream.promotion import Verdict

    for each in json.loads(_document(folder, LINEAGE)):
        TableLineage.from_dict(each)
    Model.from_record(json.loads(_document(folder, f"{RUN}{DEFINITION}")))
    found = Verdict.from_dict(json.loads(_document(folder, f"{JUDGED}{DOCUMENT}")))
    if (found.model, found.challenger) != (manifest.model, manifest.version):
        message = (
            f"The archive holds a verdict on {found.model} version {found.challenger}, not on {manifest.model} version "
            f"{manifest.version}. Nothing was imported."
        )
        raise ArchiveError(message)
    return found


def _load(manifest: Manifest, folder: Path, settings: Settings) -> LoadedModel:
    """Load the model as scoring would: from skops, of trusted types; and see that MLflow would run nothing of it."""
    from slipstream.promotion.loading import MODEL_FILE, TRUSTED_TYPES, load_folder, read_description

    flavors = read_description(folder / MODEL / "MLmodel", "It")["flavors"]
    plain, sklearn = flavors["python_function"], flavors["sklearn"]
    usual = (
        set(flavors) == {"python_function", "sklearn"}
        and plain.get("loader_module") == "mlflow.sklearn"
        and plain.get("model_path") == MODEL_FILE
        and not plain.get("code")
        and not sklearn.get("code")
        and set(sklearn.get("skops_trusted_types") or ()) <= set(TRUSTED_TYPES)
    )
    if not usual:
        message = (
            "The archive's MLmodel tells MLflow to load something else than the skops file of a trained estimator. "
            "Nothing was imported."
        )
        raise ArchiveError(message)
    with zipfile.ZipFile(folder / MODEL / MODEL_FILE) as packed:
        size = sum(each.file_size for each in packed.infolist())
    if size > settings.archive_bytes:
        message = (
            f"The archive's {MODEL_FILE} unpacks to {size:,} bytes; SLIPSTREAM_ARCHIVE_BYTES allows "
            f"{settings.archive_bytes:,}. Nothing was imported."
        )
        raise ArchiveError(message)
    return load_folder(folder / MODEL, model=manifest.model, version=manifest.version)


def _fits(loaded: LoadedModel, definition: Model, definitions: Definitions) -> None:
    """Raise unless task, features and their types are those of the definition, as views give them here."""
    import pyarrow as pa

    from slipstream.promotion.frames import feature_kinds

    if loaded.task != definition.task:
        message = f"It is for {loaded.task!r}, and the definition here for {definition.task!r}."
        raise DefinitionError(message)
    loaded.check_features(definition.feature_columns)
    fields = []
    for feature, column in zip(definition.features, definition.feature_columns, strict=True):
        view, _, name = feature.partition(":")
        fields.append(pa.field(column, definitions.view(view).features[name].arrow))
    here = feature_kinds(pa.schema(fields), definition.feature_columns)
    if others := [name for name, kind in loaded.kinds.items() if here[name] != kind]:
        told = "; ".join(f"{name} as {loaded.kinds[name]}, and the views here give {here[name]}" for name in others)
        message = f"It was trained on {told}."
        raise DefinitionError(message)


def _answers(loaded: LoadedModel, folder: Path) -> None:
    """Raise unless the model gives finite scores for rows of its own reference sample."""
    import numpy as np
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / RUN / REFERENCE) as file:
        rows = next(file.iter_batches(_ROWS), None)
    if rows is None or not rows.num_rows:
        message = "It has no reference sample, so that nothing could be compared with it later."
        raise DefinitionError(message)
    import pyarrow as pa

    if not np.isfinite(loaded.score(pa.Table.from_batches([rows]))).all():
        message = "It gives scores that are not finite for rows of its own reference sample."
        raise DefinitionError(message)


def _notes(details: VersionDetails, verdict: Verdict, definition: Model) -> tuple[str, ...]:
    found = []
    if details.training_digest != definition.training_digest:
        found.append(
            "It was trained by another definition than the one here: a training here would give another model."
        )
    if not verdict.accepted:
        found.append(f"Its verdict there was {verdict.outcome}: {verdict.reason}")
    return tuple(found)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, FatalError) else f"{type(error).__name__}: {error}"
