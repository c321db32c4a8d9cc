"""The verdict: one document that says what was compared, what every check found, and what follows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from slipstream.intervals import iso, utc
from slipstream.promotion.evaluation import Comparison, compare
from slipstream.promotion.gate import CheckResult, overall, run_check
from slipstream.promotion.recording import record_verdict
from slipstream.promotion.rules import rules_of

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.promotion.gate import Evidence
    from slipstream.settings import Settings

VerdictOutcome = Literal["accepted", "rejected", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What the gate decided about one challenger, against one champion, on one set of rows.

    Attributes:
        reason: In one line, why.
        gate: The checks' settings, as they were.
        definition_digest: Of the model's definition, which holds the gate's settings.
        code_version: Of the rules that were applied.
        decided_at: UTC, of the wall clock.
        rules: See ``rules_of``; empty in a document from before they were kept.
    """

    model: str
    challenger: str
    champion: str | None
    outcome: VerdictOutcome
    reason: str
    comparison: Comparison
    checks: tuple[CheckResult, ...]
    gate: tuple[Mapping[str, Any], ...]
    definition_digest: str
    code_version: str
    decided_at: datetime
    rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.outcome == "accepted"

    @property
    def as_of(self) -> datetime:
        return self.comparison.as_of

    @property
    def digest(self) -> str:
        """SHA-256 of what was decided on what: the same rows, versions and gate give the same, whenever it is asked."""
        parts = {
            "model": self.model,
            "challenger": self.challenger,
            "champion": self.champion,
            "as_of": iso(self.as_of),
            "rows": self.comparison.digest,
            "window": [iso(self.comparison.start), iso(self.comparison.end)],
            "gate": [dict(each) for each in self.gate],
            "outcome": self.outcome,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "challenger": self.challenger,
            "champion": self.champion,
            "outcome": self.outcome,
            "accepted": self.accepted,
            "reason": self.reason,
            "sentences": [f"{check.name}: {check.sentence}" for check in self.checks],
            "comparison": self.comparison.as_dict(),
            "checks": [check.as_dict() for check in self.checks],
            "gate": [dict(each) for each in self.gate],
            "definition_digest": self.definition_digest,
            "code_version": self.code_version,
            "decided_at": iso(self.decided_at),
            "rules": dict(self.rules),
            "digest": self.digest,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        derived = ("accepted", "sentences", "digest")
        plain = {name: value for name, value in values.items() if name not in derived}
        plain["comparison"] = Comparison.from_dict(plain["comparison"])
        plain["checks"] = tuple(CheckResult.from_dict(each) for each in plain["checks"])
        return cls(**{**plain, "gate": tuple(plain["gate"]), "decided_at": utc(plain["decided_at"])})


def evaluate_gate(
    model: Model,
    comparison: Comparison,
    *,
    settings: Settings,
    record: bool = True,
    definitions: Definitions | None = None,
) -> Verdict:
    """Run every check of the model's gate on the compared rows; a comparison with a problem is undecided.

    With ``record``, the document, its report and the version's card go to the challenger's run and its outcome to the
    version's tags; doing so again replaces them. With definitions, the card describes the features.
    """
    from slipstream.provenance import code_version

    evidence = None if comparison.problem else comparison.evidence(model, settings=settings)
    outcome, reason, checks = judge(model, comparison, evidence)
    verdict = Verdict(
        model=model.name,
        challenger=comparison.challenger,
        champion=comparison.champion,
        outcome=outcome,
        reason=reason,
        comparison=comparison,
        checks=tuple(checks),
        gate=tuple(each.model_dump(mode="json") for each in model.gate),
        definition_digest=model.digest,
        code_version=code_version(settings.project),
        decided_at=datetime.now(UTC),
        rules=rules_of(each.check for each in model.gate),
    )
    if record:
        record_verdict(verdict, model, evidence, settings=settings, definitions=definitions)
    return verdict


def judge(
    model: Model, comparison: Comparison, evidence: Evidence | None
) -> tuple[VerdictOutcome, str, list[CheckResult]]:
    """Return what the gate says of the evidence, why, and what each check found; no evidence is undecided."""
    if comparison.problem or evidence is None:
        return "undecided", comparison.problem or "There are no rows to decide on.", []
    checks = [run_check(each, evidence) for each in model.gate]
    outcome = overall(checks)
    return outcome, _reason(outcome, checks), checks


def decide(
    model: Model,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    challenger: str | None = None,
    as_of: datetime | None = None,
) -> Verdict:
    """Compare and ask the gate, in a row; see ``compare``. ``settle`` then writes the verdict to the ledger."""
    found = compare(model, definitions=definitions, lake=lake, settings=settings, challenger=challenger, as_of=as_of)
    return evaluate_gate(model, found, settings=settings, definitions=definitions)


def _reason(outcome: VerdictOutcome, checks: list[CheckResult]) -> str:
    decisive = {"rejected": "failed", "undecided": "undecided", "accepted": "passed"}[outcome]
    named = [f"{check.name} {check.outcome}: {check.sentence}" for check in checks if check.outcome == decisive]
    return " ".join(named) or "No check of the gate applies to this challenger."
