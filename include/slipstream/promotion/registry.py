"""The model registry, MLflow's: versions with what they were made of, aliases, reference samples."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError, NotFoundError
from slipstream.intervals import iso, utc
from slipstream.promotion.origin import Origin, is_imported
from slipstream.promotion.tracking import KEY, client_of, is_absent, mlflow_errors, set_tags, speaks_mlflow

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from slipstream.promotion.loading import LoadedModel
    from slipstream.settings import Settings

CHAMPION, CHALLENGER = "champion", "challenger"
REFERENCE = "reference/reference.parquet"
DEFINITION = "definition.json"
PREFIX = "slipstream."
VERDICT = f"{PREFIX}verdict"
CACHED_MODELS = 4


@dataclass(frozen=True)
class VersionDetails:
    """What a registered version says of itself, from its tags alone.

    Attributes:
        train_start, train_end: Its training rows have prediction_time in ``[train_start, train_end)``, UTC.
        as_of: The time, UTC, as known at which its training set was made.
        versions: Table to the Delta version that it was trained on.
        baseline: The class prior, or the median, of its own training labels.
        verdict: Outcome of the last verdict on it, None before there is one.
        origin: Where it was trained, if not behind this registry: ``versions`` are those of another lake then.
    """

    model: str
    version: str
    run_id: str
    key: str
    task: str
    as_of: datetime
    train_start: datetime
    train_end: datetime
    versions: Mapping[str, int]
    training_set_digest: str
    definition_digest: str
    training_digest: str
    code_version: str
    lock_digest: str
    seed: int
    params: Mapping[str, Any]
    baseline: float
    verdict: str | None
    aliases: tuple[str, ...]
    created_at: datetime
    origin: Origin | None = None

    def as_dict(self) -> dict[str, Any]:
        moments = ("as_of", "train_start", "train_end", "created_at")
        plain = {**asdict(self), "versions": dict(self.versions), "params": dict(self.params)}
        return {**plain, "aliases": list(self.aliases), **{name: iso(plain[name]) for name in moments}}


class Registry:
    """The registered models behind one MLflow tracking address. Making one costs no request."""

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri

    @classmethod
    def from_settings(cls, settings: Settings) -> Registry:
        return cls(settings.tracking_uri)

    @property
    def client(self) -> MlflowClient:
        return client_of(self.tracking_uri)

    @speaks_mlflow
    def register(
        self, model: str, *, key: str, source: str, run_id: str, model_id: str, tags: Mapping[str, str]
    ) -> str:
        """Return the one version of ``model`` with ``key``, made now, with all its tags, if there is none."""
        self._ensure_model(model)
        existing = self.find(model, key)
        if existing is not None:
            return existing
        mine = self.client.create_model_version(
            model, source, run_id=run_id, tags={**tags, KEY: key}, model_id=model_id, await_creation_for=0
        )
        first = self.find(model, key) or str(mine.version)
        if first != str(mine.version):
            self.client.delete_model_version(model, str(mine.version))
        return first

    @speaks_mlflow
    def find(self, model: str, key: str) -> str | None:
        """Return the version with ``slipstream.key`` = ``key``; the earliest, should there be several."""
        found = self.client.search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'")
        return min((str(each.version) for each in found), key=int, default=None)

    @speaks_mlflow
    def versions(self, model: str) -> list[str]:
        """Return every version of ``model``, oldest first; none where the model is not registered."""
        return sorted((str(each.version) for each in self._search(f"name = '{model}'")), key=int)

    @speaks_mlflow
    def models(self) -> list[str]:
        """Return the names of all registered models that have a version."""
        return sorted({str(each.name) for each in self._search(None)})

    @speaks_mlflow
    def trained_on(self, table: str) -> dict[str, set[int]]:
        """Return, by model, the versions of a lake's table that registered versions were trained on.

        Asks the registry alone, so that a model counts whose definition is broken, or gone. Versions that training did
        not make are left out, for they name no table, and imported ones, for theirs are of another lake.
        """
        found: dict[str, set[int]] = {}
        for each in self._search(None):
            named = each.tags.get(f"{PREFIX}versions")
            if named is not None and not is_imported(each.tags):
                read = json.loads(named).get(table)
                found.setdefault(str(each.name), set()).update(() if read is None else {int(read)})
        return found

    @speaks_mlflow
    def times(self, model: str) -> dict[str, tuple[datetime, datetime]]:
        """Return ``as_of`` and ``train_end`` (UTC) by version; a version that training did not make is left out."""
        found: dict[str, tuple[datetime, datetime]] = {}
        for each in self._search(f"name = '{model}'"):
            at, until = (each.tags.get(f"{PREFIX}{name}") for name in ("as_of", "train_end"))
            if at is not None and until is not None:
                found[str(each.version)] = (utc(at), utc(until))
        return found

    def _search(self, words: str | None) -> Iterator[ModelVersion]:
        token: str | None = None
        while True:
            page = self.client.search_model_versions(words, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    @speaks_mlflow
    def version(self, model: str, alias: str) -> str | None:
        """Return the version that ``alias`` points to, None where there is no such alias or model."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(model, alias).version)
        except MlflowException as error:
            if is_absent(error):
                return None
            raise

    @speaks_mlflow
    def set_alias(self, model: str, alias: str, version: str | None) -> None:
        """Point ``alias`` to ``version``; None takes the alias away."""
        if version is not None:
            self.client.set_registered_model_alias(model, alias, str(version))
        elif self.version(model, alias) is not None:
            self.client.delete_registered_model_alias(model, alias)

    @speaks_mlflow
    def set_version_tag(self, model: str, version: str, name: str, value: str) -> None:
        self.client.set_model_version_tag(model, str(version), name, value)

    @speaks_mlflow
    def describe(self, model: str, version: str, write: Callable[[str | None], str]) -> None:
        """Write a version's description: what ``write`` makes of the present one."""
        found = self._version(model, version)
        self.client.update_model_version(model, str(version), description=write(found.description))

    @speaks_mlflow
    def identity(self) -> str:
        """Return a name of this registry that no other has and that its address does not change: 12 digits.

        Made of when and where the store's first experiment was created, which MLflow does itself, once.
        """
        first = self.client.get_experiment("0")
        return hashlib.sha256(f"{first.creation_time} {first.artifact_location}".encode()).hexdigest()[:12]

    @speaks_mlflow
    def experiment_of(self, run_id: str) -> str:
        """Return the id of a run's experiment."""
        return str(self.client.get_run(run_id).info.experiment_id)

    def details(self, model: str, version: str) -> VersionDetails:
        """Return what ``version`` was made of; NotFoundError where it does not exist or was not made by training."""
        return details_of(self._version(model, version))

    def load(self, model: str, version: str) -> LoadedModel:
        """Return the version ready to score, from skops only; the last few are kept in memory.

        Raises:
            FatalError: It is not in skops format, or holds a type that is not on the list of trusted ones.
            NotFoundError: There is no such version.
        """
        return _load(self.tracking_uri, model, str(version))

    @speaks_mlflow
    def reference(self, model: str, version: str) -> pa.Table:
        """Return the version's bounded reference sample: key, prediction_time, features, label, score.

        None of the rows was seen by the estimator that scored it, so scores are honest; they are whole weeks where
        training had as much.

        Raises:
            FatalError: The file is no whole Parquet file.
            NotFoundError: There is no such version, or it has no such file.
        """
        return self.reference_of_run(str(self._version(model, version).run_id), f"{model} version {version}")

    def reference_of_run(self, run_id: str, of: str) -> pa.Table:
        """Return the reference sample that a training logged to its run; ``of`` says in messages whose it is."""
        import pyarrow.parquet as pq
        from pyarrow import ArrowInvalid

        with tempfile.TemporaryDirectory() as folder, mlflow_errors(f"The reference of {of}"):
            path = self.client.download_artifacts(run_id, REFERENCE, folder)
            try:
                return pq.read_table(path)
            except (ArrowInvalid, OSError) as error:
                message = f"The reference of {of} is no Parquet file: {error} Train a version anew."
                raise FatalError(message) from error

    @speaks_mlflow
    def log_document(self, run_id: str, documents: Mapping[str, str]) -> None:
        """Write text artifacts, ``path: text``, to a run."""
        for path, text in documents.items():
            self.client.log_text(run_id, text, path)

    @speaks_mlflow
    def document(self, run_id: str, path: str) -> str | None:
        """Return a text artifact of a run; None where it has no such one."""
        folder = path.rpartition("/")[0]
        if path not in {each.path for each in self.client.list_artifacts(run_id, folder or None)}:
            return None
        with tempfile.TemporaryDirectory() as target:
            found = Path(self.client.download_artifacts(run_id, path, target)).read_bytes()
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"The file {path} of the run {run_id} is no text, so not what was logged: {error}. Look at it."
            raise FatalError(message) from error

    @speaks_mlflow
    def dataset_rows(self, run_id: str) -> int | None:
        """Return how many rows the training set of a run had; None where the run does not say."""
        inputs = self.client.get_run(run_id).inputs
        profiles = (each.dataset.profile for each in inputs.dataset_inputs) if inputs else ()
        return next((json.loads(profile).get("num_rows") for profile in profiles if profile), None)

    @speaks_mlflow
    def run_tags(self, run_id: str) -> dict[str, str]:
        """Return what a run says of itself; nothing where it is no longer there."""
        from mlflow.exceptions import MlflowException

        try:
            return dict(self.client.get_run(run_id).data.tags)
        except MlflowException as error:
            if is_absent(error):
                return {}
            raise

    @speaks_mlflow
    def tag_run(self, run_id: str, tags: Mapping[str, Any]) -> None:
        set_tags(self.client, run_id, tags)

    def _ensure_model(self, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _version(self, model: str, version: str) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        what = f"{model} version {version}"
        with mlflow_errors(what):
            try:
                return self.client.get_model_version(model, str(version))
            except MlflowException as error:
                if not is_absent(error):
                    raise
                message = f"{what} is not in the registry; there {self._there_are(model)}. Name one of these."
                raise NotFoundError(message) from error

    def _there_are(self, model: str) -> str:
        versions = self.versions(model)
        return f"are the versions {', '.join(versions)}" if versions else "is no version of that model"


def details_of(found: ModelVersion) -> VersionDetails:
    """Return what the tags of a version say; NotFoundError where training did not write them."""
    tags = {name.removeprefix(PREFIX): value for name, value in found.tags.items() if name.startswith(PREFIX)}
    try:
        return _details(found, tags)
    except KeyError as error:
        message = (
            f"{found.name} version {found.version} has no tag {PREFIX}{error.args[0]}: it was not registered by "
            f"`slipstream run training`, so nobody knows what it was trained on. Train one and use that."
        )
        raise NotFoundError(message) from error


def _details(found: ModelVersion, tags: Mapping[str, str]) -> VersionDetails:
    return VersionDetails(
        model=found.name,
        version=str(found.version),
        run_id=str(found.run_id),
        key=tags["key"],
        task=tags["task"],
        as_of=utc(tags["as_of"]),
        train_start=utc(tags["train_start"]),
        train_end=utc(tags["train_end"]),
        versions=json.loads(tags["versions"]),
        training_set_digest=tags["training_set_digest"],
        definition_digest=tags["definition_digest"],
        training_digest=tags["training_digest"],
        code_version=tags["code_version"],
        lock_digest=tags["lock_digest"],
        seed=int(tags["seed"]),
        params=json.loads(tags["params"]),
        baseline=float(tags["baseline"]),
        verdict=tags.get("verdict"),
        aliases=tuple(found.aliases),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, tz=utc("1970-01-01").tzinfo),
        origin=Origin.from_tags(found.tags),
    )


@functools.lru_cache(maxsize=CACHED_MODELS)
def _load(tracking_uri: str, model: str, version: str) -> LoadedModel:
    import mlflow

    from slipstream.promotion.loading import load_folder

    registry = Registry(tracking_uri)
    registry._version(model, version)
    with tempfile.TemporaryDirectory() as target:
        with mlflow_errors(f"{model} version {version}"):
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{model}/{version}", dst_path=target, tracking_uri=tracking_uri
            )
        return load_folder(Path(path), model=model, version=version)
