"""What is written of a verdict, and of the decision that follows: documents, tags, and words with links in MLflow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import NotFoundError
from slipstream.intervals import iso, utc
from slipstream.promotion.addresses import airflow_address, artifact_page, version_page
from slipstream.promotion.pages import escape_markdown, replace_section, to_html, to_markdown
from slipstream.promotion.registry import VERDICT, Registry

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake.erasures import Erased
    from slipstream.promotion.gate import Evidence
    from slipstream.promotion.history import LedgerRow
    from slipstream.promotion.verdict import Verdict
    from slipstream.settings import Settings

DOCUMENT, REPORT, CARD_PAGE, CARD_TEXT = "verdict.json", "verdict.html", "card.html", "card.md"
_REASON = 1_000  # characters of a reason in a tag
_BEGIN, _END = "<!-- slipstream -->", "<!-- end of slipstream -->"


def record_verdict(
    verdict: Verdict,
    model: Model,
    evidence: Evidence | None,
    *,
    settings: Settings,
    definitions: Definitions | None = None,
) -> None:
    """Log the document to the challenger's run, tag the version, and log report and model card beside the document.

    Nothing for a version that is champion already.
    """
    from slipstream.lake import Lake
    from slipstream.lake.erasures import erased_from
    from slipstream.promotion.card import card
    from slipstream.promotion.report import verdict_page

    if verdict.challenger == verdict.champion:
        return
    registry, run_id = Registry.from_settings(settings), verdict.comparison.run_id
    text = json.dumps(verdict.as_dict(), indent=2, sort_keys=True)
    registry.log_document(run_id, {DOCUMENT: text, f"verdicts/{verdict.digest[:16]}.json": text})
    told = {"": verdict.outcome, "_digest": verdict.digest, "_reason": verdict.reason[:_REASON]}
    for name, value in told.items():
        registry.set_version_tag(verdict.model, verdict.challenger, f"{VERDICT}{name}", value)
    details = registry.details(verdict.model, verdict.challenger)
    erased = erased_from(verdict.model, verdict.challenger, lake=Lake.from_settings(settings))
    title, sections = card(verdict, model, details, evidence, definitions=definitions, erased=erased)
    pages = {REPORT: verdict_page(verdict, model, evidence)}
    pages |= {CARD_TEXT: to_markdown(title, sections), CARD_PAGE: to_html(title, sections)}
    registry.log_document(run_id, pages)
    _describe(verdict.as_dict(), None, registry=registry, settings=settings)


def record_decision(row: LedgerRow, *, settings: Settings) -> None:
    """Write who decided, and what, onto the card of the verdict's challenger, and into MLflow's words about it.

    The ledger is the truth and this a copy: it may be written again, and is left out for a run that has no card, or
    that is gone.
    """
    from slipstream.promotion.card import decision

    if not row.verdict:
        return
    registry, run_id = Registry.from_settings(settings), str(row.verdict["comparison"]["run_id"])
    try:
        found = {path: registry.document(run_id, path) for path in (CARD_PAGE, CARD_TEXT)}
        held = {path: text for path, text in found.items() if text is not None}
        changed = {path: replace_section(text, decision(row.model, row)) for path, text in held.items()}
        registry.log_document(run_id, {path: text for path, text in changed.items() if text != held[path]})
        if held:
            _describe(row.verdict, row, registry=registry, settings=settings)
    except NotFoundError:
        return


def record_erasures(model: str, version: str, found: Sequence[Erased], *, settings: Settings) -> None:
    """Write onto the card of a version what was erased of its training data; nothing where it has no card."""
    from slipstream.promotion.card import erasures

    if not found:
        return
    registry = Registry.from_settings(settings)
    try:
        run_id = registry.details(model, version).run_id
        texts = {path: registry.document(run_id, path) for path in (CARD_PAGE, CARD_TEXT)}
        held = {path: text for path, text in texts.items() if text is not None}
        registry.log_document(
            run_id, {path: replace_section(text, erasures(found), add=True) for path, text in held.items()}
        )
    except NotFoundError:
        return


def _describe(verdict: Any, row: LedgerRow | None, *, registry: Registry, settings: Settings) -> None:
    """Say in MLflow what came of it, with links; what others wrote there stays."""
    run_id, model, version = str(verdict["comparison"]["run_id"]), verdict["model"], verdict["challenger"]
    told = words_with_links(verdict, row, experiment=registry.experiment_of(run_id), airflow=airflow_address(settings))
    registry.describe(model, version, lambda before: _merged(before, told))
    registry.tag_run(
        run_id, {"mlflow.note.content": _merged(registry.run_tags(run_id).get("mlflow.note.content"), told)}
    )


def words_with_links(verdict: Any, row: LedgerRow | None, *, experiment: str, airflow: str | None) -> str:
    """Return outcome, reason, decision and links as Markdown; links within MLflow hold whatever its address is."""
    run_id, model, version = str(verdict["comparison"]["run_id"]), verdict["model"], verdict["challenger"]
    against = f"champion {verdict['champion']}" if verdict["champion"] else "no champion"
    lines = [
        f"**{verdict['outcome'].capitalize()}** at {_second(utc(verdict['decided_at']))}, against {against}. "
        f"{escape_markdown(verdict['reason'])}"
    ]
    if row is not None:
        lines.append(f"{row.action.capitalize()} by {escape_markdown(row.by)} at {_second(row.at)}.")
    pages = {"Verdict report": (REPORT, "verdict"), "Model card": (CARD_PAGE, "card")}
    links = [f"[{name}]({artifact_page(experiment, run_id, path)})" for name, (path, _) in pages.items()]
    if airflow:
        links += [
            f"[{name} in Airflow]({airflow}/{version_page(model, version, page)})" for name, (_, page) in pages.items()
        ]
    return "\n\n".join([*lines, " · ".join(links)])


def _second(moment: datetime) -> str:
    return iso(moment.replace(microsecond=0))


def _merged(before: str | None, told: str) -> str:
    """Return ``told`` between two comments, in place of what stood there, or below what others wrote."""
    ours = f"{_BEGIN}\n\n{told}\n\n{_END}"
    above, found, rest = (before or "").partition(_BEGIN)
    _, closed, below = rest.partition(_END)
    if found and closed:
        return f"{above}{ours}{below}"
    return f"{before.rstrip()}\n\n{ours}" if before and before.strip() else ours
