"""The verdict as a page: what follows and why, pictures of the rows, and every number behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipstream.promotion.pages import Section, facts, numbers_of, to_html
from slipstream.promotion.pictures import pictures

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.promotion.gate import Evidence
    from slipstream.promotion.verdict import Verdict


def verdict_page(verdict: Verdict, model: Model, evidence: Evidence | None) -> str:
    """Return the report of a verdict as self-contained HTML; without evidence it has no pictures."""
    against = f"against champion {verdict.champion}" if verdict.champion else "with no champion yet"
    title = f"{verdict.model} version {verdict.challenger}, {against}: {verdict.outcome}"
    checks = [{"check": each.name, "outcome": each.outcome, "why": each.sentence} for each in verdict.checks]
    sections = [
        Section("Outcome", text=[f"{verdict.outcome.capitalize()}. {verdict.reason}"]),
        Section("Checks", rows=checks),
        *pictures(verdict, model, evidence),
        *(section for each in verdict.checks for section in numbers_of(f"Numbers of {each.name}", each.numbers)),
        compared(verdict),
        *_settings(verdict),
    ]
    return to_html(title, [each for each in sections if each.text or each.rows or each.picture])


def compared(verdict: Verdict) -> Section:
    """Return what was compared, by which rules, and when."""
    found = verdict.comparison
    about = {
        "rows": found.rows,
        "from": found.start,
        "to": found.end,
        "labels_known_at": found.as_of,
        "digest_of_the_rows": found.digest,
        "tables_and_versions": dict(sorted(found.versions.items())),
        "definition": verdict.definition_digest,
        "code": verdict.code_version,
        "rules": dict(verdict.rules),
        "decided_at": verdict.decided_at,
        "digest_of_the_verdict": verdict.digest,
    }
    return Section("What was compared", rows=facts(about))


def _settings(verdict: Verdict) -> list[Section]:
    """Return the settings of each check in a table of its own: no two checks have the same ones."""
    checks = [{name: value for name, value in each.items() if name != "check"} for each in verdict.gate]
    names = [str(each.get("check", "check")) for each in verdict.gate]
    return [Section(f"Settings of {name}", rows=facts(found)) for name, found in zip(names, checks, strict=True)]
