"""The model card of a version, after Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019).

Nine headings, as there; a heading about which nobody has said anything says so, for silence is no clearance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.definitions.base import spell_duration
from slipstream.intervals import iso
from slipstream.metrics import row_losses, summary
from slipstream.promotion.importance import importance_section
from slipstream.promotion.pages import Section, facts, numbers_of
from slipstream.promotion.pictures import pictures
from slipstream.promotion.resampling import MIN_BLOCKS, mean_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import Definitions, Model
    from slipstream.lake.erasures import Erased
    from slipstream.promotion.gate import Evidence
    from slipstream.promotion.history import LedgerRow
    from slipstream.promotion.registry import VersionDetails
    from slipstream.promotion.verdict import Verdict

_DAY, _ALPHA, _RESAMPLES = timedelta(days=1), 0.05, 2_000
_DECISION, _ERASURES = "decision", "erasures"
_GROUPS = ("slices", "fairness")  # checks that look at groups of rows
_UNSAID = "Nobody has said anything about this in the model's definition. Ask its owner before you rely on it."


def card(
    verdict: Verdict,
    model: Model,
    details: VersionDetails,
    evidence: Evidence | None,
    *,
    definitions: Definitions | None = None,
    erased: Sequence[Erased] = (),
) -> tuple[str, list[Section]]:
    """Return title and sections of the card of the verdict's challenger; descriptions of features want definitions."""
    groups = [each for each in verdict.checks if each.name in _GROUPS]
    sections = [
        _about(model, details),
        _intended_use(model),
        Section("Factors", text=[each.sentence for each in groups] or [f"No check of groups of rows. {_UNSAID}"]),
        _metrics(model, evidence, verdict),
        _evaluation_data(verdict),
        _training_data(model, details),
        *([erasures(erased)] if erased else []),
        _features(model, definitions),
        *_analyses(verdict, model, evidence),
        *importance_section(evidence, details.version),
        _ethics(model, groups=[each.name for each in groups]),
        _caveats(model, verdict),
        _verdict(verdict),
        decision(verdict.model, None),
        _lineage(details),
    ]
    return f"{model.name} version {details.version}", sections


def _about(model: Model, details: VersionDetails) -> Section:
    about = {
        "model": model.name,
        "version": details.version,
        "owner": model.owner,
        "task": model.task.replace("_", " "),
        "parameters": dict(details.params),
        "seed": details.seed,
        "registered": details.created_at,
        "code": details.code_version,
    }
    came = [f"This version was {details.origin.sentence}."] if details.origin else []
    return Section("Model details", text=came, rows=facts(about))


def _intended_use(model: Model) -> Section:
    what = f"One prediction for each {', '.join(model.key)} at its prediction_time."
    beyond = [f"Not for this: {each}" for each in model.card.out_of_scope]
    return Section("Intended use", text=[model.purpose, what, *beyond, "It was evaluated for nothing else than this."])


def _metrics(model: Model, evidence: Evidence | None, verdict: Verdict) -> Section:
    if evidence is None:
        return Section("Metrics", text=[f"None could be measured: {verdict.reason}"])
    scores = {"challenger": evidence.challenger}
    if evidence.champion is not None:
        scores["champion"] = evidence.champion
    measured = {name: summary(model.task, evidence.label, score) for name, score in scores.items()}
    rows: list[dict[str, Any]] = [
        {"metric": metric, **{name: found[metric] for name, found in measured.items()}}
        for metric in measured["challenger"]
    ]
    text = ["On rows that neither version was trained on.", *_interval(model, evidence)]
    return Section("Metrics", text=text, rows=rows)


def _interval(model: Model, evidence: Evidence) -> list[str]:
    """Say between which bounds the mean loss lies, days taken as blocks."""
    blocks: NDArray[np.int64] = evidence.blocks(_DAY)
    if len(np.unique(blocks)) < MIN_BLOCKS:
        return [f"The rows are of fewer than {MIN_BLOCKS} days: too few for an interval."]
    loss = row_losses(model.default_loss, evidence.label, evidence.challenger)
    found = mean_difference(loss, blocks, alpha=_ALPHA, resamples=_RESAMPLES, seed=evidence.seed("card"))
    return [
        f"Mean {model.default_loss} {found.mean:.4f}, with {1 - 2 * _ALPHA:.0%} confidence between {found.lower:.4f} "
        f"and {found.upper:.4f} ({found.rows} rows in {found.blocks} days, days resampled as blocks)."
    ]


def _evaluation_data(verdict: Verdict) -> Section:
    found = verdict.comparison
    about = {
        "rows": found.rows,
        "prediction_time_from": found.start,
        "to": found.end,
        "labels_known_at": found.as_of,
        "digest": found.digest,
        "tables_and_versions": dict(sorted(found.versions.items())),
    }
    why = "The newest rows whose labels are known: what the model meets next is most like these."
    return Section("Evaluation data", text=[why], rows=facts(about))


def _training_data(model: Model, details: VersionDetails) -> Section:
    about = {
        "prediction_time_from": details.train_start,
        "to": details.train_end,
        "labels_known_at": details.as_of,
        "a_label_is_mature_after": spell_duration(model.label.maturity),
        "mean_of_the_labels" if model.task == "binary_classification" else "median_of_the_labels": details.baseline,
        "digest": details.training_set_digest,
        "tables_and_versions": dict(sorted(details.versions.items())),
    }
    lake = [f"The tables and their versions are those of the lake of {details.origin.place}."] if details.origin else []
    return Section("Training data", text=lake, rows=facts(about))


def erasures(found: Sequence[Erased]) -> Section:
    """Return what was erased of a version's training data since it was trained; the oldest first."""
    why = (
        "The version was trained on rows of people who have been erased since: it cannot be made again bit for bit. "
        "What it learned of them is not taken out of it; train a new version for that."
    )
    rows = [{"erasure": each.erasure, "at": each.at, "rows": sum(each.rows.values())} for each in found]
    return Section("Erasures", text=[why], rows=rows, mark=_ERASURES)


def _features(model: Model, definitions: Definitions | None) -> Section:
    rows = []
    for feature in model.features:
        name, _, column = feature.partition(":")
        view = definitions.views.get(name) if definitions else None
        found = view.features.get(column) if view else None
        rows.append(
            {
                "view": name,
                "feature": column,
                "type": found.type if found else None,
                "description": found.description if found else None,
                "owner": view.owner if view else None,
            }
        )
    return Section("Features", rows=rows)


def _analyses(verdict: Verdict, model: Model, evidence: Evidence | None) -> list[Section]:
    checks = [{"check": each.name, "outcome": each.outcome, "finding": each.sentence} for each in verdict.checks]
    numbers = (part for each in verdict.checks if each.name in _GROUPS for part in numbers_of(each.name, each.numbers))
    return [Section("Quantitative analyses", rows=checks), *numbers, *pictures(verdict, model, evidence)]


def _ethics(model: Model, *, groups: list[str]) -> Section:
    said = [model.card.ethics] if model.card.ethics else []
    if "fairness" in groups:
        said.append("The fairness check above compares groups. It sees no others.")
    else:
        said.append(f"No check compares groups of people.{'' if said else f' {_UNSAID}'}")
    return Section("Ethical considerations", text=said)


def _caveats(model: Model, verdict: Verdict) -> Section:
    found = verdict.comparison
    return Section(
        "Caveats and recommendations",
        text=[
            *model.card.limits,
            f"The numbers hold for rows like those from {iso(found.start)} to {iso(found.end)}. A season, a place or a "
            f"group that is not among them was not tested.",
            f"Monitoring compares each day with the version's reference sample; a label is known only after "
            f"{spell_duration(model.label.maturity)}, so a loss of quality shows that much later.",
        ],
    )


def _verdict(verdict: Verdict) -> Section:
    about: Mapping[str, Any] = {
        "outcome": verdict.outcome,
        "against_champion": verdict.champion or "none",
        "decided_at": verdict.decided_at,
        "digest_of_the_verdict": verdict.digest,
    }
    return Section("Verdict", text=[verdict.reason], rows=facts(about))


def decision(model: str, row: LedgerRow | None) -> Section:
    """Return who decided, and what; before there is a row in the ledger, that nobody has."""
    where = f"The ledger has every decision: slipstream ledger {model}"
    if row is None:
        return Section("Decision", text=[f"Nobody has decided on it yet. {where}"], mark=_DECISION)
    about = {
        "decision": row.action.replace("_", " "),
        "by": row.by,
        "at": row.at,
        "reason": row.reason,
        "champion_after": row.version or "none",
        "champion_before": row.replaces or "none",
        "row_of_the_ledger": row.seq,
        "run": row.run_id,
    }
    return Section("Decision", text=[where], rows=facts(about), mark=_DECISION)


def _lineage(details: VersionDetails) -> Section:
    about = {
        "run": details.run_id,
        "definition": details.definition_digest,
        "training_part_of_it": details.training_digest,
        "code": details.code_version,
        "lock": details.lock_digest or None,
    }
    again = f"on the side of {details.origin.place}" if details.origin else "slipstream replay"
    more = f"The whole tree: slipstream lineage {details.model}@{details.version}. To make it again: {again}."
    return Section("Lineage", text=[more], rows=facts(about))
