"""Champion and challenger on the same rows: the newest matured labels, which neither was trained on."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from slipstream.errors import NotFoundError, SchemaError
from slipstream.intervals import iso, utc
from slipstream.promotion.projection import repair
from slipstream.promotion.registry import CHALLENGER, Registry

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Definitions, Model
    from slipstream.features import FeatureSet, Needed
    from slipstream.lake import Lake
    from slipstream.promotion.gate import Evidence
    from slipstream.settings import Settings

_MOMENTS = ("as_of", "start", "end")


@dataclass(frozen=True)
class Comparison:
    """Both versions' scores of the same rows, staged; small enough to go from task to task.

    Attributes:
        champion: None where there is none yet.
        start, end: Rows have prediction_time in ``[start, end)``, UTC; all of it after both trainings' rows.
        versions: Table to the Delta version that the rows were read from.
        digest: Of key, time, features and labels of the rows, whatever their order.
        baseline: The constant that the challenger's own training labels suggest.
        path: Of the staged rows with scores, below ``settings.staging``; empty with a problem.
        problem: Why nothing can be decided on these rows; None where something can.
    """

    model: str
    challenger: str
    champion: str | None
    as_of: datetime
    start: datetime
    end: datetime
    rows: int
    versions: Mapping[str, int]
    digest: str
    baseline: float
    run_id: str
    path: str
    problem: str | None

    def as_dict(self) -> dict[str, Any]:
        plain = {**asdict(self), "versions": dict(self.versions)}
        return {**plain, **{name: iso(plain[name]) for name in _MOMENTS}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Comparison:
        return cls(**{**values, **{name: utc(values[name]) for name in _MOMENTS}})

    def evidence(self, model: Model, *, settings: Settings) -> Evidence:
        """Read the staged rows back, as the checks of the gate want them."""
        from slipstream.lake.scratch import Scratch
        from slipstream.promotion.gate import Evidence

        registry = Registry.from_settings(settings)
        rows = Scratch(settings).read(self.path)
        return Evidence(model, self, rows, functools.partial(registry.load, model.name))


def compare(
    model: Model,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    challenger: str | None = None,
    champion: str | None = None,
    as_of: datetime | None = None,
    versions: Mapping[str, int] | None = None,
) -> Comparison:
    """Score the same evaluation rows with both versions.

    Args:
        challenger: A version. Default: the one with the alias ``challenger``.
        champion: A version to compare with. Default: the champion of the ledger, if there is one.
        as_of: The time (UTC) as known at which labels count. Default: the time of the challenger's training.
        versions: Table versions to read instead of the newest.

    Raises:
        NotFoundError: There is no such challenger.
        IncompleteError: Intervals that the rows need are not in the lake.
    """
    from slipstream.features import population_set

    present = repair(model, lake=lake, settings=settings)
    planned = plan(model, present=present, settings=settings, challenger=challenger, champion=champion, as_of=as_of)
    if planned.problem:
        return planned
    found = population_set(
        model,
        planned.start,
        planned.end,
        definitions=definitions,
        lake=lake,
        settings=settings,
        as_of=planned.as_of,
        versions=versions,
        labels=True,
    )
    return score_both(model, planned, found, settings=settings)


def comparison_inputs(
    model: Model,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    challenger: str | None = None,
    as_of: datetime | None = None,
) -> list[Needed]:
    """Return what ``compare`` will read; nothing where it reads no rows."""
    from slipstream.features.sets import set_inputs
    from slipstream.promotion.history import champion

    row = champion(model, lake=lake)
    planned = plan(model, present=row.version if row else None, settings=settings, challenger=challenger, as_of=as_of)
    if planned.problem:
        return []
    return set_inputs(model, planned.start, planned.end, definitions=definitions, as_of=planned.as_of)


def plan(
    model: Model,
    *,
    present: str | None,
    settings: Settings,
    challenger: str | None = None,
    champion: str | None = None,
    as_of: datetime | None = None,
) -> Comparison:
    """Return who is to be compared with whom on the rows of which time, before any row is read."""
    registry = Registry.from_settings(settings)
    ours = registry.details(model.name, challenger or _challenger(registry, model))
    against = champion or present
    theirs = registry.details(model.name, against) if against else None
    planned = between(model, ours, theirs, utc(as_of) if as_of is not None else ours.as_of)
    if champion is None and ours.version == present:
        return replace(planned, problem=f"Version {present} is the champion already: there is nothing to decide.")
    return planned if planned.problem else replace(planned, problem=_lost_features(model, registry, planned))


class Trained(Protocol):
    """What a comparison asks of a version before any row is read."""

    @property
    def version(self) -> str: ...
    @property
    def train_end(self) -> datetime: ...
    @property
    def baseline(self) -> float: ...
    @property
    def run_id(self) -> str: ...


def between(model: Model, ours: Trained, theirs: Trained | None, moment: datetime) -> Comparison:
    """Return the comparison of two versions at ``moment`` (UTC), with the problem that no rows are left, if so."""
    planned = Comparison(
        model=model.name,
        challenger=ours.version,
        champion=theirs.version if theirs else None,
        as_of=moment,
        start=max([moment - model.evaluation.window, ours.train_end, *([theirs.train_end] if theirs else [])]),
        end=moment,
        rows=0,
        versions={},
        digest="",
        baseline=ours.baseline,
        run_id=ours.run_id,
        path="",
        problem=None,
    )
    return replace(planned, problem=_overlap(model, planned, ours, theirs))


def score_both(model: Model, planned: Comparison, found: FeatureSet, *, settings: Settings) -> Comparison:
    """Score the rows with both versions and stage them; rows on which nothing can be decided are a problem."""
    import pyarrow as pa

    from slipstream.lake.scratch import Scratch

    filled = replace(planned, rows=found.rows.num_rows, versions=dict(found.versions), digest=found.digest)
    if problem := poor_rows(model, found.rows):
        return replace(filled, problem=problem)
    scored, registry = found.rows, Registry.from_settings(settings)
    for role, version in (("challenger", filled.challenger), ("champion", filled.champion)):
        if version is None:
            continue
        score = registry.load(model.name, version).score(found.rows)
        if not np.isfinite(score).all():
            message = f"Version {version} gives {int((~np.isfinite(score)).sum())} scores that are not finite."
            return replace(filled, problem=message)
        scored = scored.append_column(role, pa.array(score, pa.float64()))
    path = f"promotion/{model.name}/{_key(filled)}/rows.parquet"
    Scratch(settings).write(path, scored.schema, scored.to_batches())
    return replace(filled, path=path)


def _key(found: Comparison) -> str:
    parts = [found.model, found.challenger, str(found.champion), iso(found.as_of), iso(found.start), found.digest]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _challenger(registry: Registry, model: Model) -> str:
    version = registry.version(model.name, CHALLENGER)
    if version is None:
        message = f"Model {model.name!r} has no challenger. Train one: `slipstream run training {model.name}`."
        raise NotFoundError(message)
    return version


def _overlap(model: Model, planned: Comparison, ours: Trained, theirs: Trained | None) -> str | None:
    last = planned.as_of - model.label.maturity
    if planned.start < last:
        return None
    trained = f"version {ours.version} was trained on rows until {iso(ours.train_end)}"
    if theirs:
        trained += f", version {theirs.version} until {iso(theirs.train_end)}"
    return (
        f"No rows are left that neither was trained on and whose labels are known: {trained}, and labels mature at "
        f"{iso(planned.as_of)} for rows until {iso(last)}. Decide at a later time."
    )


def _lost_features(model: Model, registry: Registry, planned: Comparison) -> str | None:
    for version in filter(None, (planned.challenger, planned.champion)):
        try:
            registry.load(model.name, version).check_features(model.feature_columns)
        except SchemaError as error:
            return str(error)
    return None


def poor_rows(model: Model, rows: pa.Table) -> str | None:
    """Return why nothing can be decided on these rows; None where something can."""
    wanted = model.evaluation.min_rows
    if rows.num_rows < wanted:
        return (
            f"Wanted at least {wanted} evaluation rows with a known label, found {rows.num_rows}. "
            f"Decide at a later time, widen evaluation.window, or lower evaluation.min_rows."
        )
    labels = np.unique(rows.column("label").to_numpy())
    if model.task == "binary_classification" and len(labels) < 2:
        return f"All {rows.num_rows} evaluation rows have the label {labels[0]:g}: nothing can be told apart. Wait."
    return None
