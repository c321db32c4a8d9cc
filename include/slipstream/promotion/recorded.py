"""The last verdict on a version as it was recorded, and where its pages are."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.errors import NotFoundError, SettingsError
from slipstream.promotion.addresses import airflow_address, artifact_page, mlflow_address, version_page
from slipstream.promotion.history import LedgerRow, ledger, name_of
from slipstream.promotion.origin import FOLDER
from slipstream.promotion.recording import CARD_PAGE, CARD_TEXT, DOCUMENT, REPORT
from slipstream.promotion.registry import CHALLENGER, Registry
from slipstream.promotion.verdict import Verdict

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake
    from slipstream.promotion.registry import VersionDetails
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Recorded:
    """A verdict, and what followed.

    Attributes:
        row: What the ledger says of it; None while nobody has decided, such as during an approval.
        links: Name of a page to its address; only those that are known.
    """

    verdict: Verdict
    row: LedgerRow | None
    links: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        row = self.row
        decision = {"action": row.action, "by": row.by, "at": row.at, "reason": row.reason} if row else None
        return {**self.verdict.as_dict(), "decision": decision, "links": self.links}


def last_verdict(model: Model | str, *, lake: Lake, settings: Settings, version: str | None = None) -> Recorded:
    """Return the last verdict on ``version``, or on any version: one that waits for approval is the last one, too.

    The ledger alone answers where MLflow is not known.

    Raises:
        NotFoundError: There is none.
    """
    name = name_of(model)
    rows = [row for row in ledger(name, lake=lake) if row.verdict and version in (None, row.challenger)]
    found = [(Verdict.from_dict(row.verdict), row) for row in rows if row.verdict]
    waiting = _logged(name, version, settings)
    newest: tuple[Verdict, LedgerRow | None] | None = found[-1] if found else None
    if waiting and (newest is None or waiting.decided_at > newest[0].decided_at):
        row = next((row for row in rows if row.verdict_digest == waiting.digest), None)
        newest = (waiting, row)
    if newest is None:
        what = f"{name} version {version}" if version else f"any version of {name}"
        message = (
            f"There is no verdict on {what}. Trigger {name}.promotion, or run `slipstream run promotion {name}`."
            f"{_came_with(name, version, settings)}"
        )
        raise NotFoundError(message)
    return Recorded(*newest, links=links_of(newest[0], settings=settings))


def links_of(verdict: Verdict, *, settings: Settings) -> dict[str, str]:
    """Return where report and card are: in MLflow, which asks for no login unless it is told to, and in Airflow."""
    model, version, run_id = verdict.model, verdict.challenger, verdict.comparison.run_id
    pages = {"report": (REPORT, "verdict"), "card": (CARD_PAGE, "card")}
    found: dict[str, str] = {}
    try:
        mlflow = mlflow_address(settings)
        if mlflow:
            experiment = Registry.from_settings(settings).experiment_of(run_id)
            found |= {name: f"{mlflow}/{artifact_page(experiment, run_id, path)}" for name, (path, _) in pages.items()}
    except (SettingsError, NotFoundError):
        pass  # no server is known, or the run is gone; the verdict itself stands in the ledger
    airflow = airflow_address(settings)
    if airflow:
        found |= {
            f"{name}_in_airflow": f"{airflow}/{version_page(model, version, page)}" for name, (_, page) in pages.items()
        }
    return found


def page_of(details: VersionDetails, path: str, *, registry: Registry) -> str | None:
    """Return a version's own report or card; before it has one, the one that an imported version came with.

    That one says on top whose it is, since it calls the version by another number.
    """
    own = registry.document(details.run_id, path)
    if own is not None or details.origin is None:
        return own
    theirs = registry.document(details.run_id, f"{FOLDER}/{path}")
    told = f"{details.model} version {details.version} was {details.origin.sentence}. This page is of that side."
    return theirs and theirs.replace("<body>", f"<body>\n<p><strong>{escape(told)}</strong></p>", 1)


def save_pages(verdict: Verdict, folder: Path, *, settings: Settings) -> list[Path]:
    """Write the verdict, its report and the card to a folder, made where it is not there; return the files.

    Raises:
        NotFoundError: The run has no pages of this verdict, because a later one on the same version replaced them.
    """
    registry, run_id = Registry.from_settings(settings), verdict.comparison.run_id
    names = {DOCUMENT: DOCUMENT, REPORT: "report.html", CARD_PAGE: CARD_PAGE, CARD_TEXT: CARD_TEXT}
    found = {name: registry.document(run_id, path) for path, name in names.items()}
    texts = {name: text for name, text in found.items() if text is not None}
    if not texts:
        message = f"The run {run_id} of {verdict.model} version {verdict.challenger} has neither report nor card."
        raise NotFoundError(message)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _came_with(name: str, version: str | None, settings: Settings) -> str:
    """Say of an imported version what the other side found; nothing of another one, or without MLflow."""
    try:
        origin = Registry.from_settings(settings).details(name, version).origin if version else None
    except (SettingsError, NotFoundError):
        origin = None
    return f" It was {origin.sentence}; that verdict is below {FOLDER}/ of its run." if origin else ""


def _logged(name: str, version: str | None, settings: Settings) -> Verdict | None:
    """Return the verdict that was logged to the run of ``version``, or of the challenger."""
    import json

    try:
        registry = Registry.from_settings(settings)
        which = version or registry.version(name, CHALLENGER)
        if which is None:
            return None
        text = registry.document(registry.details(name, which).run_id, DOCUMENT)
    except (SettingsError, NotFoundError):
        return None
    return Verdict.from_dict(json.loads(text)) if text else None
