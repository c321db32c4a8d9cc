"""A version made again from what was recorded of it, and compared with what it was, bit for bit.

The definition is the one that training recorded with the run, the rows are read at the versions that it read, the
parameters and the seed are the version's own. So an edited model.yaml, a batch corrected since, or a neighbour trained
since, change nothing; another lock or another type of machine may, and is then named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from slipstream.errors import SlipstreamError
from slipstream.intervals import iso
from slipstream.lake.erasures import Erased, erased_from
from slipstream.promotion.registry import DEFINITION, PREFIX, Registry, VersionDetails
from slipstream.provenance import code_version, committed, library_versions, lock_digest
from slipstream.training.dataset import check_rows, count_from, in_order, split, together, validation_start
from slipstream.training.estimator import FILE
from slipstream.training.fitting import fit
from slipstream.training.reference import reference_rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

    Floats = NDArray[np.float64]

Outcome = Literal["same", "different", "erased", "impossible", "not_compared"]
_GOOD: tuple[Outcome, ...] = ("same", "not_compared")


@dataclass(frozen=True)
class Finding:
    """What came of one comparison: its name, its outcome, and a sentence with what differs."""

    name: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Replay:
    """A version compared with its replay.

    Attributes:
        findings: Of the definition, the training set, the validation scores and the model's scores, in this order;
            nothing follows an impossible one. What differs since rows were erased that the version was trained on is
            ``erased``, and says which erasure that was.
        surroundings: What else is not as it was then: code, lock, libraries. It explains; it fails nothing.
    """

    model: str
    version: str
    findings: tuple[Finding, ...]
    surroundings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that could be compared is the same, and nothing was impossible."""
        return all(each.outcome in _GOOD for each in self.findings)

    def as_dict(self) -> dict[str, Any]:
        found = [asdict(each) for each in self.findings]
        about = {"model": self.model, "version": self.version, "ok": self.ok}
        return {**about, "findings": found, "surroundings": list(self.surroundings)}


@dataclass(frozen=True)
class _Then:
    """The version, its definition of then, and where to find the rest."""

    details: VersionDetails
    model: Model
    registry: Registry
    source: Mapping[str, Any]
    erased: Sequence[Erased]


def replay_version(
    model: str,
    version: str,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    recorded_code: bool = False,
) -> Replay:
    """Rebuild the training set of ``version``, fit it again, and compare rows and scores with the recorded ones.

    Writes nothing: neither to the registry, nor to the lake.

    Args:
        model: The model's name.
        version: Its version.
        definitions: Of today; the version's own definition is the recorded one.
        lake: Where the rows are.
        settings: Where the registry is, and the project.
        recorded_code: Run an estimator.py that neither the definitions nor the project's git repository hold. Whoever
            may write to the registry may have put it there.

    Raises:
        NotFoundError: There is no such version.
    """
    registry = Registry.from_settings(settings)
    details = registry.details(model, version)
    definition, first = _definition(details, registry, definitions)
    findings = [first]
    if details.origin is not None:
        # Nor is its code run, which came with the version: this side never had it in its folders.
        sentence = (
            f"The version was {details.origin.sentence}. Its training set lives in the lake of that side, so it can be "
            f"made again only there: slipstream replay {model}@{details.origin.version}"
        )
        findings.append(Finding("training set", "impossible", sentence))
    elif definition is not None and not recorded_code and not _known_code(definition, definitions, settings):
        sentence = (
            f"The run recorded an {FILE} that neither the definitions nor the project's git repository hold: who may "
            f"write to the registry may have put it there. It is not run. Read it ({DEFINITION} of the run "
            f"{details.run_id}), then replay with --recorded-code."
        )
        findings.append(Finding("code", "impossible", sentence))
    elif definition is not None:
        source = {"definitions": definitions, "lake": lake, "settings": settings}
        erased = erased_from(model, details.version, lake=lake)
        then = _Then(details, definition.model_copy(update={"seed": details.seed}), registry, source, erased)
        try:
            compared = _compare(then)
        except (SlipstreamError, OSError) as error:
            compared = [Finding("rebuilding", "impossible", f"{type(error).__name__}: {error}")]
        findings += [_explained(each, erased) for each in compared]
    return Replay(model, details.version, tuple(findings), _surroundings(details, registry, settings))


def _known_code(recorded: Model, definitions: Definitions, settings: Settings) -> bool:
    """Tell whether a person of the project has written the code that the registry brings."""
    text = recorded.text(FILE)
    return any(model.text(FILE) == text for model in definitions.models.values()) or committed(settings.project, text)


def _explained(found: Finding, erased: Sequence[Erased]) -> Finding:
    """Say of what is no longer as it was that rows were erased, where some were."""
    if not erased or found.outcome not in ("different", "impossible"):
        return found
    told = ". ".join(map(str, erased))
    outcome: Outcome = "erased" if found.outcome == "different" else "impossible"
    return Finding(found.name, outcome, f"{told}. {found.sentence}")


def _definition(details: VersionDetails, registry: Registry, definitions: Definitions) -> tuple[Model | None, Finding]:
    from slipstream.definitions import Model

    wanted, name = details.training_digest, "definition"
    present = definitions.models.get(details.model)
    edited = present is None or present.training_digest != wanted
    state = "has been deleted since" if present is None else "has been edited since" if edited else "is the same today"
    text = registry.document(details.run_id, DEFINITION)
    recorded = Model.from_record(json.loads(text)) if text else None
    if recorded is not None and recorded.training_digest == wanted:
        return recorded, Finding(name, "same", f"As recorded with the run; the model's folder {state}.")
    if not edited:
        return present, Finding(name, "same", f"The run recorded none, but the model's folder {state}.")
    message = (
        f"The model's folder {state} (training_digest was {wanted[:12]}, is "
        f"{present.training_digest[:12] if present else 'none'}), and the run recorded no definition: neither the "
        f"training set nor the model can be rebuilt here. Check out {details.code_version} and replay there."
    )
    return None, Finding(name, "impossible", message)


def _compare(then: _Then) -> list[Finding]:
    """Rebuild, refit, and return what each comparison found."""
    from slipstream.features import population_set

    details, model = then.details, then.model
    found = population_set(
        model, details.train_start, details.train_end, as_of=details.as_of, labels=True, versions=details.versions,
        **then.source,
    )  # fmt: skip
    rows = in_order(found.rows, model)
    check_rows(model, rows, details.as_of)
    cut = rows.num_rows - count_from(rows, validation_start(rows, details.train_end, model.training.validation_share))
    train, validation, kinds = split(model, rows, cut)
    honest = fit(model, details.params, train)
    final = fit(model, details.params, together(train, validation, kinds)) if model.training.refit else honest
    reference = then.registry.reference(details.model, details.version)
    again = reference_rows(model, details.params, honest, train, validation, kinds, details.train_end)
    return [
        _training_set(then, rows, found.digest, reference, again),
        _validation_scores(model, reference, again),
        _scores(then, final, reference, f"model on its {reference.num_rows} reference rows"),
        _evaluation(then, final),
    ]


def _training_set(then: _Then, rows: pa.Table, digest: str, reference: pa.Table, again: pa.Table) -> Finding:
    wanted, name = then.details.training_set_digest, "training set"
    if digest == wanted:
        return Finding(name, "same", f"{rows.num_rows} rows, digest {digest[:12]}.")
    was = then.registry.dataset_rows(then.details.run_id)
    sentence = f"Its digest was {wanted[:12]}, is {digest[:12]}; it had {was or 'unknown'} rows, has {rows.num_rows}. "
    keys = [*then.model.key, "prediction_time"]
    if _told(reference, keys) != _told(again, keys):
        known, now = set(_told(reference, keys)), set(_told(again, keys))
        sentence += f"Of the {len(known)} reference rows {len(known - now)} are gone and {len(now - known)} are new."
    else:
        columns = [each for each in reference.column_names if each not in (*keys, "score")]
        changed = {each: _count(reference, again, each) for each in columns}
        words = [f"{name} in {count}" for name, count in changed.items() if count]
        of = f"Of the {reference.num_rows} reference rows"
        sentence += f"{of} these columns differ: {', '.join(words)}." if words else f"{of} none differs."
    return Finding(name, "different", sentence)


def _told(rows: pa.Table, columns: list[str]) -> list[str]:
    return [repr(tuple(row.values())) for row in rows.select(columns).to_pylist()]


def _count(left: pa.Table, right: pa.Table, column: str) -> int:
    if column not in right.column_names:
        return int(left.num_rows)
    pairs = zip(left.column(column).to_pylist(), right.column(column).to_pylist(), strict=True)
    return sum(repr(one) != repr(other) for one, other in pairs)


def _validation_scores(model: Model, reference: pa.Table, again: pa.Table) -> Finding:
    keys, name = [*model.key, "prediction_time"], "validation scores"
    if _told(reference, keys) != _told(again, keys):
        return Finding(name, "different", "The reference rows are others, so their scores are too.")
    recorded, now = (rows.column("score").to_numpy() for rows in (reference, again))
    return _bits(name, recorded, now, "the candidate before its refit")


def _scores(then: _Then, final: Any, rows: pa.Table, name: str) -> Finding:
    """Compare the registered estimator with the new one on the same rows."""
    from slipstream.promotion.loading import predict

    loaded = then.registry.load(then.details.model, then.details.version)
    return _bits(name, loaded.score(rows), predict(loaded.task, final, loaded.frame(rows)), "the registered model")


def _bits(name: str, was: Floats, now: Floats, whose: str) -> Finding:
    import numpy as np

    differ = was.view(np.int64) != now.view(np.int64) if was.dtype == now.dtype == np.float64 else was != now
    if not differ.any():
        return Finding(name, "same", f"All {len(was)} scores of {whose} are equal in every bit.")
    most = float(np.abs(was - now).max())
    return Finding(name, "different", f"{int(differ.sum())} of {len(was)} scores differ from {whose}, by {most:.3g}.")


def _evaluation(then: _Then, final: Any) -> Finding:
    """Compare on the rows of the version's last verdict, read at the versions that it read."""
    from slipstream.features import population_set
    from slipstream.promotion.recording import DOCUMENT
    from slipstream.promotion.verdict import Verdict

    name, text = "model on its evaluation rows", then.registry.document(then.details.run_id, DOCUMENT)
    verdict = Verdict.from_dict(json.loads(text)) if text else None
    if verdict is None or not verdict.comparison.rows:
        return Finding(name, "not_compared", "There is no verdict on this version yet, so it has no evaluation rows.")
    shown = verdict.comparison
    try:
        found = population_set(
            then.model, shown.start, shown.end, as_of=shown.as_of, labels=True, versions=shown.versions, **then.source
        )
    except (SlipstreamError, OSError) as error:
        return Finding(name, "impossible", f"{type(error).__name__}: {error}")
    scored = _scores(then, final, found.rows, name)
    if found.digest == shown.digest or verdict.definition_digest != then.model.digest:
        return scored
    sentence = (
        f"The rows from {iso(shown.start)} to {iso(shown.end)} had the digest {shown.digest[:12]} and {shown.rows} "
        f"rows, now {found.digest[:12]} and {found.rows.num_rows}. On these: {scored.sentence}"
    )
    return Finding(name, "different", sentence)


def _surroundings(details: VersionDetails, registry: Registry, settings: Settings) -> tuple[str, ...]:
    tags = registry.run_tags(details.run_id)
    then = {"code": details.code_version, "lock": details.lock_digest[:12]}
    now = {"code": code_version(settings.project), "lock": lock_digest(settings.project)[:12]}
    for name, version in library_versions().items():
        then[name], now[name] = tags.get(f"{PREFIX}library.{name}", "unknown"), version
    return tuple(
        f"{name} was {then[name] or 'none'}, is {now[name] or 'none'}" for name in now if then[name] != now[name]
    )
