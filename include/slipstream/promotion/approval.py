"""A person's answer about one exact version: what was asked, what held at that time, and what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from slipstream.errors import VerdictError
from slipstream.intervals import iso, utc
from slipstream.promotion.history import LedgerRow, last_change, ledger
from slipstream.promotion.projection import repair
from slipstream.promotion.registry import CHALLENGER, CHAMPION, PREFIX, Registry

if TYPE_CHECKING:
    from slipstream.lake import Lake
    from slipstream.promotion.verdict import Verdict
    from slipstream.settings import Settings

TAG = f"{PREFIX}approval"
IMPORTED = "imported"
"""Of a verdict's rules: that it was given elsewhere, where this side's gate could not decide."""


@dataclass(frozen=True)
class Asked:
    """What held when a person was asked; the answer counts only while it still does.

    Attributes:
        version: The version that the question is about.
        verdict_digest: Of the verdict that was shown.
        champion: The champion at that time; None before there is one.
        champion_seq: ``seq`` of the ledger's row that made it, so that a champion who went and came back is noticed.
        challenger: Where the alias ``challenger`` pointed; another version where an older one was asked about by name.
        at: UTC.
    """

    version: str
    verdict_digest: str
    champion: str | None
    champion_seq: int | None
    challenger: str | None
    at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "at": iso(self.at)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Asked:
        return cls(**{**values, "at": utc(values["at"])})


@dataclass(frozen=True)
class Answer:
    """What a person said to a question.

    Attributes:
        answer: ``none`` where nobody answered in time, which means no.
        by: The user; None where nobody answered.
        at: When, UTC; of a question that ran out, the time at which that was noticed.
    """

    answer: Literal["yes", "no", "none"]
    by: str | None
    at: datetime
    asked: Asked

    def as_dict(self) -> dict[str, Any]:
        return {"answer": self.answer, "by": self.by, "at": iso(self.at), "asked": self.asked.as_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Answer:
        return cls(**{**values, "at": utc(values["at"]), "asked": Asked.from_dict(values["asked"])})

    @property
    def refusal(self) -> str:
        """Why the challenger is not promoted, for an answer that is not yes."""
        return f"{self.by} said no." if self.by else "Nobody said yes in time."


def ask(verdict: Verdict, *, lake: Lake, settings: Settings) -> Asked:
    """Return what holds now, for a question about the verdict's challenger; an alias that is off is put right first.

    Raises:
        VerdictError: The verdict is void already, so there is nothing to ask.
    """
    name = verdict.model
    champion = repair(name, lake=lake, settings=settings)
    rows = ledger(name, lake=lake)
    not_void(rows, verdict)
    last = last_change(rows)
    return Asked(
        version=verdict.challenger,
        verdict_digest=verdict.digest,
        champion=champion,
        champion_seq=last.seq if last else None,
        challenger=Registry.from_settings(settings).version(name, CHALLENGER),
        at=datetime.now(UTC),
    )


def question(verdict: Verdict, *, links: Mapping[str, str], approvers: Sequence[str], until: datetime) -> str:
    """Return what the approvers read, in Markdown: the exact version, what the gate found, and what an answer does."""
    champion = f"version {verdict.champion}" if verdict.champion else "none yet, so it was compared with a constant"
    checks = [f"- **{check.name}**, {check.outcome}: {check.sentence}" for check in verdict.checks]
    lines = [
        f"**{verdict.model} version {verdict.challenger}** wants to be champion. Champion now: {champion}.",
        f"The gate: **{verdict.outcome}**, on {verdict.comparison.rows} rows that neither was trained on.",
        "\n".join(checks),
        " · ".join(f"[{title}]({address})" for title, address in links.items()),
        f"Who may answer: {', '.join(approvers)}. Without a yes before {until:%Y-%m-%d %H:%M} UTC it is rejected. The "
        f"yes is for version {verdict.challenger} alone, and void if the champion changes, or an alias moves, until "
        f"then.",
    ]
    return "\n\n".join(line for line in lines if line)


def not_void(rows: Sequence[LedgerRow], verdict: Verdict) -> None:
    """Raise VerdictError where the champion is no longer the one that the verdict compared with."""
    last = last_change(rows)
    if (last.version if last else None) == verdict.champion:
        return
    message = (
        f"The verdict on {verdict.model} version {verdict.challenger} is void: it compared with "
        f"{_named(verdict.champion)}, and the champion is {_champion(last)}. "
        f"Let the gate decide again: run {verdict.model}.promotion."
    )
    raise VerdictError(message)


def undecided_here(rows: Sequence[LedgerRow], verdict: Verdict) -> None:
    """Raise VerdictError where a verdict of another side must not stand in for the one of this side's gate."""
    if IMPORTED not in verdict.rules:
        return
    what = f"{verdict.model} version {verdict.challenger}"
    own = [row for row in rows if row.challenger == verdict.challenger]
    if not own and last_change(rows) is None:
        return
    if not own:
        message = (
            f"{what} was judged elsewhere, and {verdict.model} has a champion here, version {verdict.champion}. Let "
            f"this side's gate compare them: run {verdict.model}.promotion. Only where that stays undecided, the "
            f"verdict that came with the version counts."
        )
        raise VerdictError(message)
    if own[-1].action != "undecided":
        message = (
            f"{what} was {own[-1].action.replace('_', ' ')} here by {own[-1].by}: {own[-1].reason} The verdict that "
            f"came with it does not stand against that."
        )
        raise VerdictError(message)


def answered(model: str, verdict: Verdict, answer: Answer | None, *, required: bool) -> None:
    """Raise VerdictError unless the verdict may be promoted as to what a person said, or need not have said."""
    version = f"{model} version {verdict.challenger}"
    if answer is None:
        if required:
            message = f"{version} wants a person's yes before it is promoted; found none. Run {model}.promotion."
            raise VerdictError(message)
        return
    if answer.answer != "yes":
        message = f"{version} is not promoted: {answer.refusal}"
        raise VerdictError(message)
    asked = answer.asked
    if (asked.version, asked.verdict_digest) != (verdict.challenger, verdict.digest):
        message = (
            f"The approval by {answer.by} is for version {asked.version} and the verdict {asked.verdict_digest[:12]}; "
            f"found version {verdict.challenger} and the verdict {verdict.digest[:12]}. Run {model}.promotion, so that "
            f"somebody is asked about these."
        )
        raise VerdictError(message)


def void_because(model: str, answer: Answer, rows: Sequence[LedgerRow], *, registry: Registry) -> str | None:
    """Say what changed since the question, which makes the answer void; None where nothing did."""
    asked, last, found = answer.asked, last_change(rows), []
    if (last.seq if last else None) != asked.champion_seq:
        found.append(f"the champion was {_named(asked.champion)} and now is {_champion(last)}")
    elif (now := registry.version(model, CHAMPION)) != asked.champion:
        found.append(f"somebody moved the alias champion from {_named(asked.champion)} to {_named(now)}")
    if (now := registry.version(model, CHALLENGER)) != asked.challenger:
        found.append(f"the alias challenger moved from {_named(asked.challenger)} to {_named(now)}")
    if not found:
        return None
    return (
        f"The approval of {model} version {asked.version} by {answer.by} is void: while it waited, "
        f"{', and '.join(found)}. Nothing was promoted. Let the gate decide again: run {model}.promotion."
    )


def tag_answer(model: str, row: LedgerRow, *, registry: Registry) -> None:
    """Write the answer of a ledger's row to the tags of the version that was asked about."""
    if row.approval is None or row.challenger is None:
        return
    said = {name: row.approval[name] for name in ("answer", "by", "at")}
    text = json.dumps({**said, "void": row.action == "void"}, sort_keys=True)
    registry.set_version_tag(model, row.challenger, TAG, text)


def _named(version: str | None) -> str:
    return f"version {version}" if version else "no version"


def _champion(last: LedgerRow | None) -> str:
    if last is None:
        return "no version"
    since = f"{last.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{_named(last.version)} since {since} ({last.action.replace('_', ' ')} by {last.by})"
