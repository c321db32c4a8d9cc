"""What follows from a verdict: a row in the ledger, then the alias; and the way back.

The ledger's row is the one step that changes the champion. Whatever a crash leaves undone after it, the next reader of
the champion does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstream.errors import NoChampionError, VerdictError
from slipstream.promotion.history import CHANGES, Action, Entry, LedgerRow, append, last_change, name_of, stack
from slipstream.promotion.projection import project, repair, resolve_champion
from slipstream.promotion.recording import record_decision
from slipstream.promotion.registry import CHALLENGER, Registry

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.lake import Lake, Run
    from slipstream.promotion.verdict import Verdict
    from slipstream.settings import Settings

__all__ = ["promote", "reject", "repair", "resolve_champion", "rollback", "settle"]


def promote(
    model: Model | str, verdict: Verdict, *, lake: Lake, settings: Settings, run: Run, by: str | None = None
) -> LedgerRow:
    """Make the verdict's challenger the champion, and return the ledger's row.

    The same verdict once more (a retried task) returns the row that is there.

    Raises:
        VerdictError: The verdict is not an acceptance; it is void, because the champion is no longer the one that it
            compared with; or it was used, and its version was rolled back from since.
    """
    name = _same_model(model, verdict)
    if not verdict.accepted:
        message = (
            f"The verdict on {name} version {verdict.challenger} is {verdict.outcome}, so it is not promoted: "
            f"{verdict.reason}"
        )
        raise VerdictError(message)

    def decide(rows: list[LedgerRow]) -> Entry | LedgerRow:
        used = _row_of(rows, verdict, "promoted")
        if used is not None:
            _not_rolled_back(rows, used)
            return used
        _not_void(rows, verdict)
        return Entry(action="promoted", version=verdict.challenger, **_facts(verdict, run, by))

    row = append(name, lake=lake, run=run, decide=decide)
    _move_aliases(name, verdict.challenger, lake=lake, settings=settings)
    record_decision(row, settings=settings)
    return row


def reject(
    model: Model | str,
    verdict: Verdict,
    *,
    lake: Lake,
    settings: Settings,
    run: Run,
    by: str | None = None,
    refusal: str | None = None,
) -> LedgerRow:
    """Write a verdict that does not promote to the ledger: ``rejected`` or ``undecided``; the champion stays.

    Args:
        refusal: Why the challenger is not promoted although the gate accepted it: a person said no, or nobody yes.

    Raises:
        VerdictError: The verdict is an acceptance, and nobody refused it; or it was promoted by then.
    """
    name = _same_model(model, verdict)
    if verdict.outcome == "accepted" and not refusal:
        message = f"The verdict on {name} version {verdict.challenger} is an acceptance; use promote."
        raise VerdictError(message)
    action: Action = "rejected" if verdict.outcome == "accepted" else verdict.outcome
    reason = refusal if refusal and verdict.outcome == "accepted" else verdict.reason

    def decide(rows: list[LedgerRow]) -> Entry | LedgerRow:
        if _row_of(rows, verdict, "promoted"):
            message = f"{name} version {verdict.challenger} was promoted by this verdict. Roll back, if it has to go."
            raise VerdictError(message)
        return _row_of(rows, verdict, action) or Entry(action=action, **{**_facts(verdict, run, by), "reason": reason})

    row = append(name, lake=lake, run=run, decide=decide)
    repair(name, lake=lake, settings=settings)
    record_decision(row, settings=settings)
    return row


def settle(
    model: Model | str, verdict: Verdict, *, lake: Lake, settings: Settings, run: Run, by: str | None = None
) -> LedgerRow:
    """Promote or reject, as the verdict says."""
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


def _row_of(rows: list[LedgerRow], verdict: Verdict, action: Action) -> LedgerRow | None:
    return next((row for row in rows if row.verdict_digest == verdict.digest and row.action == action), None)


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


def _not_void(rows: list[LedgerRow], verdict: Verdict) -> None:
    last = last_change(rows)
    now = last.version if last else None
    if now == verdict.champion:
        return
    wanted = f"version {verdict.champion}" if verdict.champion else "no champion"
    found = f"version {now}" if now else "no champion"
    changed = f" since {last.at:%Y-%m-%d %H:%M:%S} UTC ({last.action} by {last.by})" if last else ""
    message = (
        f"The verdict on {verdict.model} version {verdict.challenger} is void: it compared with {wanted}, and the "
        f"champion is {found}{changed}. Let the gate decide again: `slipstream run promotion {verdict.model}`."
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


def _facts(verdict: Verdict, run: Run, by: str | None) -> dict[str, Any]:
    return {
        "challenger": verdict.challenger,
        "reason": verdict.reason,
        "by": _who(run, by),
        "run_id": _run_name(run),
        "as_of": verdict.as_of,
        "verdict": verdict.as_dict(),
        "verdict_digest": verdict.digest,
    }


def _who(run: Run, by: str | None) -> str:
    return by or run.by or f"{run.dag_id}/{run.run_id}"


def _run_name(run: Run) -> str:
    return f"{run.dag_id}/{run.run_id}"
