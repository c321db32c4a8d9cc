"""What MLflow keeps of a subject: versions that were trained on the rows, and rows that lie among the artifacts."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError, NotFoundError, SettingsError, SlipstreamError
from slipstream.lake.erasures import erased_from, without
from slipstream.lake.naming import Names
from slipstream.lake.removal import Held
from slipstream.promotion.recording import record_erasures
from slipstream.promotion.registry import REFERENCE, Registry, VersionDetails
from slipstream.promotion.tracking import KEY, ROLE, mlflow_errors, speaks_mlflow

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities import Run as MlflowRun

    from slipstream.definitions import Definitions
    from slipstream.lake import Lake
    from slipstream.settings import Settings

log = logging.getLogger(__name__)

EXAMPLES = ("input_example.json", "serving_input_example.json")
PREDICTIONS = "predictions/"
_ROWS = "data"  # of pandas' split layout, in which MLflow keeps examples


@dataclass(frozen=True)
class Trained:
    """A registered version that was trained on rows of the subject, with how many of which table."""

    model: str
    version: str
    rows: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {"model": self.model, "version": self.version, "rows": dict(self.rows)}


@dataclass(frozen=True)
class Sample:
    """A run's reference sample with rows of the subject."""

    model: str
    run_id: str
    rows: int


@dataclass(frozen=True)
class Samples:
    """The reference samples that name a subject, and the runs whose sample is no whole file: nobody can tell."""

    named: tuple[Sample, ...] = ()
    unreadable: tuple[str, ...] = ()


def registry_of(lake: Lake, settings: Settings) -> Registry | None:
    """Return the registry; None where no server is known and the lake shows that there never was a model."""
    try:
        return Registry.from_settings(settings)
    except SettingsError:
        if any(name.startswith(("predictions/", "ledger/promotions")) for name in lake.tables()):
            raise
        return None


def trained_on(
    held: Sequence[Held], registry: Registry, *, definitions: Definitions
) -> list[Trained]:  # fmt: skip
    """Return the versions that read rows of the subject; rather one too many than one too few.

    A version counts where the tables that it read, as they were then, had rows of the subject in intervals that its
    training set can reach. Where a definition does not say how far that is, it is all before its time.
    """
    tables = {each.table: each for each in held if each.files}
    found = []
    for model in registry.models():
        for version in registry.versions(model):
            try:
                details = registry.details(model, version)
            except NotFoundError:
                continue  # not made by training: it read no table of ours
            if details.origin is not None:
                continue  # nor did one that was imported: the tables that it names are those of another lake
            rows = _rows_read(details, tables, definitions)
            if rows:
                found.append(Trained(model, version, rows))
    return found


def _rows_read(details: VersionDetails, tables: Mapping[str, Held], definitions: Definitions) -> dict[str, int]:
    starts = _first_read(details, definitions)
    counts = {
        name: tables[name].rows_at(version, starts.get(name), details.as_of)
        for name, version in details.versions.items()
        if name in tables
    }
    return {name: count for name, count in counts.items() if count}


def _first_read(details: VersionDetails, definitions: Definitions) -> dict[str, datetime]:
    from slipstream.features.sets import set_inputs

    try:
        needed = set_inputs(
            definitions.model(details.model),
            details.train_start,
            details.train_end,
            definitions=definitions,
            as_of=details.as_of,
        )
    except SlipstreamError:
        return {}
    return {each.table: each.intervals[0].start for each in needed if each.intervals}


def samples_with(names: Sequence[Names], registry: Registry, *, definitions: Definitions) -> Samples:
    """Return the reference samples that hold rows of the subject, those of deleted runs and versions among them."""
    named = {table.removeprefix(PREDICTIONS) for each in names for table in each.tables}
    found, unreadable = [], []
    for model in sorted({*named & definitions.models.keys(), *registry.models()}):
        mine = names_in(model, names, definitions)
        for run in _runs(registry.client, model) if mine else ():
            try:
                rows = _reference(registry, run.info.run_id)
            except FatalError:  # a process was killed while it wrote the file, or somebody put another in its place
                unreadable.append(run.info.run_id)
                continue
            if rows is not None and (gone := rows.num_rows - without("", rows, mine).num_rows):
                found.append(Sample(model, run.info.run_id, gone))
    return Samples(tuple(found), tuple(unreadable))


def names_in(model: str, names: Sequence[Names], definitions: Definitions) -> list[Names]:
    """Return those of ``names`` that mean the subject in a model's rows; of a model of no definition the own value."""
    mine = [each for each in names if f"{PREDICTIONS}{model}" in each.tables]
    return mine if mine or model in definitions.models else [each for each in names if each.person]


@speaks_mlflow
def clean_sample(sample: Sample, names: Sequence[Names], registry: Registry) -> None:
    """Put the sample back without the subject."""
    import pyarrow.parquet as pq

    rows = _reference(registry, sample.run_id)
    if rows is None:
        return
    kept = without("", rows, names)
    if kept.num_rows == rows.num_rows:
        return
    folder, _, name = REFERENCE.rpartition("/")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / name
        pq.write_table(kept, path)
        registry.client.log_artifact(sample.run_id, str(path), folder)


@speaks_mlflow
def empty_examples(run_ids: Sequence[str], registry: Registry) -> int:
    """Leave the columns of the input examples of these runs' models and no row; return how many files changed.

    An example is the first rows of a training set, without their keys: nobody can tell whose they are.
    """
    changed = 0
    for run_id in run_ids:
        experiment = registry.experiment_of(run_id)
        key = registry.run_tags(run_id).get(KEY)
        found = registry.client.search_logged_models([experiment], filter_string=f"tags.`{KEY}` = '{key}'")
        for logged in {str(each.model_id): each for each in found}.values():
            changed += _empty_examples(registry, logged)
    return changed


def _empty_examples(registry: Registry, logged: LoggedModel) -> int:
    import mlflow

    client, model_id = registry.client, str(logged.model_id)
    names = {each.path for each in client.list_logged_model_artifacts(model_id)} & set(EXAMPLES)
    changed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(names):
            uri = f"{logged.artifact_location}/{name}"
            found = mlflow.artifacts.download_artifacts(uri, dst_path=folder, tracking_uri=registry.tracking_uri)
            path = Path(found)
            try:
                held = json.loads(path.read_bytes())
            except ValueError:  # half a file, say: whatever it held goes
                held = None
            emptied = {} if held is None else _without_rows(held)
            if emptied != held:
                path.write_text(json.dumps(emptied), encoding="utf-8")
                client.log_model_artifact(model_id, str(path))
                changed += 1
    return changed


def _without_rows(example: Any) -> Any:
    if isinstance(example, Mapping):
        return {name: [] if name in (_ROWS, "index") else _without_rows(value) for name, value in example.items()}
    return [] if isinstance(example, list) and example and not isinstance(example[0], str) else example


def note_on_cards(versions: Sequence[Trained], *, lake: Lake, settings: Settings) -> None:
    """Say on the cards of these versions what was erased; a card that is no text keeps nobody from being erased."""
    for each in versions:
        found = erased_from(each.model, each.version, lake=lake)
        try:
            record_erasures(each.model, each.version, found, settings=settings)
        except FatalError as error:
            log.warning("The card of %s version %s does not say it: %s", each.model, each.version, error)


def runs_of(versions: Sequence[Trained], registry: Registry) -> list[str]:
    """Return the runs that made these versions; one whose version was deleted meanwhile is left out."""
    found = []
    for each in versions:
        try:
            found.append(registry.details(each.model, each.version).run_id)
        except NotFoundError:
            continue
    return found


@speaks_mlflow
def _runs(client: MlflowClient, model: str) -> list[MlflowRun]:
    """Return the runs of all trainings of a model, the deleted ones too."""
    from mlflow.entities import ViewType

    experiment = client.get_experiment_by_name(model)
    return list(_pages(client, experiment.experiment_id, ViewType.ALL)) if experiment is not None else []


def _pages(client: MlflowClient, experiment: str, view: int) -> Iterator[MlflowRun]:
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment], filter_string=f"tags.`{ROLE}` = 'parent'", run_view_type=view, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _reference(registry: Registry, run_id: str) -> pa.Table | None:
    with mlflow_errors(f"The reference of run {run_id}"):
        there = {each.path for each in registry.client.list_artifacts(run_id, REFERENCE.rpartition("/")[0])}
    try:
        return registry.reference_of_run(run_id, f"run {run_id}") if REFERENCE in there else None
    except NotFoundError:  # somebody deleted it just now
        return None
