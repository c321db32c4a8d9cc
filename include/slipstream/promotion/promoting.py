"""What follows from a verdict: a row in the ledger, then the alias; and the way back.

The ledger's row is the one step that changes the champion. Whatever a crash leaves undone after it, the next reader of
the champion does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstream.errors import NoChampionError, VerdictError
from slipstream.promotion.approval import answered, not_void, tag_answer, undecided_here, void_because
from slipstream.promotion.history import CHANGES, Action, Entry, LedgerRow, append, last_change, name_of, stack
from slipstream.promotion.projection import project, repair, resolve_champion
from slipstream.promotion.recording import record_decision
from slipstream.promotion.registry import CHALLENGER, Registry

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake, Run
    from slipstream.promotion.approval import Answer
    from slipstream.promotion.verdict import Verdict
    from slipstream.settings import Settings

__all__ = ["promote", "reject", "repair", "resolve_champion", "rollback", "settle"]


def promote(
    model: Model | str,
    verdict: Verdict,
    *,
    lake: Lake,
    settings: Settings,
    run: Run,
    by: str | None = None,
    approval: Answer | None = None,
) -> LedgerRow:
    """Make the verdict's challenger the champion, and return the ledger's row.

    The same verdict once more (a retried task) returns the row that is there. An approval that is void becomes a row of
    its own, ``void``, and stays void.

    Args:
        approval: What a person said, where one was asked; it counts for exactly this version and verdict, and only
            while champion and aliases are what they were when the person was asked.

    Raises:
        VerdictError: The verdict is not an acceptance; it is void, because the champion is no longer the one that it
            compared with; it was used, and its version was rolled back from since; the definition wants an approval,
            and there is none; the approval is void; or it came with an imported version, and this side's gate decided.
        NotFoundError: The version is no longer in the registry.
    """
    name = _same_model(model, verdict)
    if not verdict.accepted:
        message = (
            f"The verdict on {name} version {verdict.challenger} is {verdict.outcome}, so it is not promoted: "
            f"{verdict.reason}"
        )
        raise VerdictError(message)
    registry = Registry.from_settings(settings)
    said = approval.as_dict() if approval else None

    def decide(rows: list[LedgerRow]) -> Entry | LedgerRow:
        used = _row_of(rows, verdict, "promoted")
        if used is not None:
            _not_rolled_back(rows, used)
            return used
        answered(name, verdict, approval, required=not isinstance(model, str) and model.approval.required)
        if approval is not None:
            if (before := _row_of(rows, verdict, "void", said)) is not None:
                return before
            if because := void_because(name, approval, rows, registry=registry):
                return Entry(action="void", **{**_facts(verdict, run, None, said), "reason": because})
        not_void(rows, verdict)
        undecided_here(rows, verdict)
        registry.details(name, verdict.challenger)
        return Entry(action="promoted", version=verdict.challenger, **_facts(verdict, run, by, said))

    row = append(name, lake=lake, run=run, decide=decide)
    if row.action == "void":
        repair(name, lake=lake, settings=settings)
    else:
        _move_aliases(name, verdict.challenger, lake=lake, settings=settings)
    tag_answer(name, row, registry=registry)
    record_decision(row, settings=settings)
    if row.action == "void":
        raise VerdictError(row.reason)
    return row


def reject(
    model: Model | str,
    verdict: Verdict,
    *,
    lake: Lake,
    settings: Settings,
    run: Run,
    by: str | None = None,
    approval: Answer | None = None,
) -> LedgerRow:
    """Write a verdict that does not promote to the ledger: ``rejected`` or ``undecided``; the champion stays.

    Args:
        approval: What a person said, or that nobody answered: why the challenger is not promoted although the gate
            accepted it. Each question is a row of its own.

    Raises:
        VerdictError: The verdict is an acceptance, and nobody refused it; or it was promoted by then.
    """
    name = _same_model(model, verdict)
    refused = approval is not None and verdict.outcome == "accepted" and approval.answer != "yes"
    if verdict.outcome == "accepted" and not refused:
        message = f"The verdict on {name} version {verdict.challenger} is an acceptance; use promote."
        raise VerdictError(message)
    action: Action = "rejected" if verdict.outcome == "accepted" else verdict.outcome
    said = approval.as_dict() if approval and refused else None
    reason = approval.refusal if approval and refused else verdict.reason

    def decide(rows: list[LedgerRow]) -> Entry | LedgerRow:
        if _row_of(rows, verdict, "promoted"):
            message = f"{name} version {verdict.challenger} was promoted by this verdict. Roll back, if it has to go."
            raise VerdictError(message)
        facts = {**_facts(verdict, run, by, said), "reason": reason}
        return _row_of(rows, verdict, action, said) or Entry(action=action, **facts)

    row = append(name, lake=lake, run=run, decide=decide)
    repair(name, lake=lake, settings=settings)
    tag_answer(name, row, registry=Registry.from_settings(settings))
    record_decision(row, settings=settings)
    return row


def settle(
    model: Model | str, verdict: Verdict, *, lake: Lake, settings: Settings, run: Run, by: str | None = None
) -> LedgerRow:
    """Promote or reject, as the verdict says; a model that wants an approval is not promoted this way."""
    follow = promote if verdict.accepted else reject
    return follow(model, verdict, lake=lake, settings=settings, run=run, by=by)


def rollback(
    model: Model | str,
    *,
    reason: str,
    lake: Lake,
    settings: Settings,
    run: Run,
    to: str | None = None,
    by: str | None = None,
) -> LedgerRow:
    """Make an earlier champion the champion again: version ``to``, or the one before the present one.

    Going back twice goes back two champions. A retried task returns the row that its first try wrote.

    Raises:
        NoChampionError: There is no champion.
        VerdictError: No reason is given; there is no earlier champion; ``to`` never was champion, or is now.
        NotFoundError: The version is no longer in the registry.
    """
    name = name_of(model)
    if not reason.strip():
        message = f"A rollback of {name} wants a reason, which the ledger keeps; found none."
        raise VerdictError(message)
    registry = Registry.from_settings(settings)

    def decide(rows: list[LedgerRow]) -> Entry | LedgerRow:
        last = last_change(rows)
        if last is not None and _tried_before(last, run, to):
            return last
        target = _target(name, rows, to)
        registry.details(name, target)
        return Entry(action="rolled_back", version=target, reason=reason, by=_who(run, by), run_id=_run_name(run))

    row = append(name, lake=lake, run=run, decide=decide)
    project(name, lake=lake, settings=settings)
    return row


def _move_aliases(name: str, challenger: str, *, lake: Lake, settings: Settings) -> None:
    """Move the alias ``champion``, and take ``challenger`` from the version that is one no longer."""
    project(name, lake=lake, settings=settings)
    registry = Registry.from_settings(settings)
    if registry.version(name, CHALLENGER) == challenger:
        registry.set_alias(name, CHALLENGER, None)


def _same_model(model: Model | str, verdict: Verdict) -> str:
    name = name_of(model)
    if verdict.model != name:
        message = f"The verdict is about {verdict.model!r}, not about {name!r}."
        raise VerdictError(message)
    return name


def _row_of(
    rows: list[LedgerRow], verdict: Verdict, action: Action, said: dict[str, Any] | None = None
) -> LedgerRow | None:
    """Return the row that wrote this verdict; with what a person ``said``, the one that wrote that as well."""
    same = (row for row in rows if row.verdict_digest == verdict.digest and row.action == action)
    return next((row for row in same if action == "promoted" or row.approval == said), None)


def _not_rolled_back(rows: list[LedgerRow], used: LedgerRow) -> None:
    left = next((row for row in rows if row.seq > used.seq and row.action == "rolled_back"), None)
    held = stack(rows)
    if left is None or used.version in held:
        return
    message = (
        f"{used.model} version {used.version} was promoted by this verdict and rolled back from by {left.by}: "
        f"{left.reason} The same verdict does not promote it again. Let the gate decide anew on newer rows."
    )
    raise VerdictError(message)


def _target(name: str, rows: list[LedgerRow], to: str | None) -> str:
    held = stack(rows)
    if not held:
        message = f"Model {name!r} has no champion, so there is nothing to go back from."
        raise NoChampionError(message)
    if to is None:
        if len(held) < 2:
            message = f"{name} version {held[-1]} is its first champion: there is none before it to go back to."
            raise VerdictError(message)
        return held[-2]
    been = {row.version for row in rows if row.action in CHANGES}
    if str(to) == held[-1] or str(to) not in been:
        which = "is the champion already" if str(to) == held[-1] else "never was champion"
        earlier = sorted((been - {held[-1], None}), key=lambda version: int(version or 0))
        message = (
            f"{name} version {to} {which}. One can go back to: {earlier or 'none'}. A new version goes by the gate."
        )
        raise VerdictError(message)
    return str(to)


def _tried_before(last: LedgerRow, run: Run, to: str | None) -> bool:
    same = last.action == "rolled_back" and last.run_id == _run_name(run) and run.dag_id != "local"
    return same and (to is None or last.version == str(to))


def _facts(verdict: Verdict, run: Run, by: str | None, said: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "challenger": verdict.challenger,
        "reason": verdict.reason,
        "by": _who(run, by),
        "run_id": _run_name(run),
        "as_of": verdict.as_of,
        "verdict": verdict.as_dict(),
        "verdict_digest": verdict.digest,
        "approval": said,
    }


def _who(run: Run, by: str | None) -> str:
    return by or run.by or f"{run.dag_id}/{run.run_id}"


def _run_name(run: Run) -> str:
    return f"{run.dag_id}/{run.run_id}"
