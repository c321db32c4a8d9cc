"""One erasure, from its record's first row to its last; a second run goes on where a first one was killed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from slipstream.erasure.pages import remove_pages
from slipstream.erasure.plan import Plan, make_plan, of_table, tables_of
from slipstream.erasure.subject import find_names
from slipstream.erasure.versions import (
    Trained,
    clean_sample,
    empty_examples,
    names_in,
    note_on_cards,
    registry_of,
    runs_of,
    trained_on,
)
from slipstream.errors import SettingsError, WriteConflictError
from slipstream.intervals import iso
from slipstream.lake.erasures import BEGUN, DONE, SUBJECT, journal, no_key
from slipstream.lake.naming import LOST, KeyRing, Names
from slipstream.lake.scratch import Scratch
from slipstream.lake.storage import Storage

if TYPE_CHECKING:
    from slipstream.definitions import Definitions
    from slipstream.lake import Lake, Run
    from slipstream.settings import Settings

_KEY_BYTES, _ID_BYTES = 32, 6
NUMBERS = ("reference_rows", "staged", "reports")  # of a plan, beside its tables and versions


@dataclass(frozen=True)
class Erasure:
    """What an erasure took, or, before it is run, would take.

    Attributes:
        id: None before it is run.
        state: ``planned``; ``done``; ``nothing`` where an earlier one left nothing to do.
        resumes: The erasure that was begun before and not finished; it is gone on with.
        shared: By source, keys of the subject that rows of others bear too, which are therefore not followed.
        unclear: Tables with the subject's column whose source does not say that it names a person: left alone.
        aggregates: Tables made from the subject's rows that have no column to find them by: left alone, too.
    """

    id: str | None
    column: str
    state: str
    resumes: str | None
    at: str | None
    plan: Mapping[str, Any]
    shared: Mapping[str, int]
    unclear: Sequence[str]
    aggregates: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        about = {"erasure": self.id, "subject_key": self.column, "state": self.state, "resumes": self.resumes}
        left = {"unclear": list(self.unclear), "aggregates": list(self.aggregates)}
        return {**about, "at": self.at, **self.plan, "shared_keys": dict(self.shared), **left}


@dataclass(frozen=True)
class Prepared:
    """Who is to be erased, and what is there of them; no row has been touched."""

    names: tuple[Names, ...]
    plan: Plan
    erasure: Erasure
    known: bool
    ring: KeyRing

    @property
    def over(self) -> bool:
        """Whether an earlier erasure left nothing to do."""
        return self.known and self.plan.nothing and not self.erasure.resumes


Source = Mapping[str, Any]


def _reached(step: str) -> None:
    """Do nothing; a test stops the process here."""


reached: Callable[[str], None] = _reached


def prepare(column: str, value: str, *, definitions: Definitions, lake: Lake, settings: Settings) -> Prepared:
    """Find out what is there of the subject ``column`` = ``value``; nothing is written.

    Raises:
        DefinitionError: No source names people so, or the value is none of the column's type.
        SettingsError: The key of earlier erasures is not set; or none is, and the lake is not on one machine.
    """
    ring = _key_ring(lake, settings)
    found = find_names(column, value, definitions=definitions, lake=lake, ring=ring)
    earlier = _earlier(found.names[0], lake, ring)
    open_ = _open(lake)
    begun = next((row for row, _ in earlier if row["erasure"] in open_), None)
    names = _together(found.names, [each for _, told in earlier for each in told])
    plan = make_plan(names, definitions=definitions, lake=lake, settings=settings)
    told = plan.as_dict()
    if begun:
        told = _merged(_recorded(begun), told)
    erasure = Erasure(
        id=None,
        column=column,
        state="planned",
        resumes=begun["erasure"] if begun else None,
        at=None,
        plan=told,
        shared=found.shared,
        unclear=found.unclear,
        aggregates=found.aggregates,
    )
    return Prepared(names, plan, erasure, bool(earlier), ring)


def erase(
    prepared: Prepared, *, reason: str, definitions: Definitions, lake: Lake, settings: Settings, run: Run
) -> Erasure:
    """Take the subject out of everything, vacuum what held it, and keep it out from now on.

    Raises:
        RetriableError: Others kept writing, or a service did not answer; run it again, and it goes on.
    """
    if prepared.over:
        return replace(prepared.erasure, state="nothing")
    id_ = prepared.erasure.resumes or secrets.token_hex(_ID_BYTES)
    _keep_key(prepared.ring, settings)
    begun = _write(BEGUN, id_, prepared, reason=reason, lake=lake, run=run)
    reached("begun")
    names = prepared.names
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings}
    # Tables last: what they hold tells which reports showed the subject, also to a run that goes on after a kill.
    _clean_the_rest(prepared.plan, names, source)
    for table in tables_of(names, lake):
        lake.table(table).removal().remove(of_table(names, table), erasure=id_, run=run)
        reached(table)
    later = make_plan(names, **source)  # what was on its way when the first look was taken
    later = replace(later, pages=(*prepared.plan.pages, *later.pages))
    for held in later.tables:
        lake.table(held.table).removal().remove(of_table(names, held.table), erasure=id_, run=run)
    _clean_the_rest(later, names, source)
    reached("looked again")
    registry = registry_of(lake, settings)
    late = trained_on(prepared.plan.tables, registry, definitions=definitions) if registry else []
    told = _merged(prepared.erasure.plan, {**later.as_dict(), "versions": [each.as_dict() for each in late]})
    _write(DONE, id_, prepared, reason=reason, lake=lake, run=run, told=told)
    note_on_cards(late, lake=lake, settings=settings)
    return replace(prepared.erasure, id=id_, state="done", at=begun, plan=told)


def _clean_the_rest(plan: Plan, names: Sequence[Names], source: Source) -> None:
    """Clean what is no table: staging, reports, and MLflow's artifacts; reports first, for samples tell which."""
    lake, settings = source["lake"], source["settings"]
    scratch = Scratch(settings)
    for name in plan.staged:
        scratch.remove(name)
    reached("staging")
    remove_pages(plan.pages, settings=settings)
    reached("reports")
    registry = registry_of(lake, settings)
    if registry is None:
        return
    for sample in plan.samples:
        clean_sample(sample, names_in(sample.model, names, source["definitions"]), registry)
    reached("samples")
    versions = _versions(plan, lake)
    runs = {*runs_of(versions, registry), *(each.run_id for each in plan.samples)}
    empty_examples(sorted(runs), registry)
    note_on_cards(versions, lake=lake, settings=settings)
    reached("cards")


def _versions(plan: Plan, lake: Lake) -> list[Trained]:
    """Return the versions of the plan, and those that the record has of an erasure that is not done."""
    open_ = _open(lake)
    told = [each for row in open_.values() for each in json.loads(row["versions"] or "[]")]
    recorded = (Trained(each["model"], each["version"], each["rows"]) for each in told)
    return list({(each.model, each.version): each for each in (*recorded, *plan.versions)}.values())


def _key_ring(lake: Lake, settings: Settings) -> KeyRing:
    """Return the keys; for the first erasure on one machine a fresh one, and elsewhere somebody has to make it."""
    ring = KeyRing.parse(settings.read_erasure_key())
    used = {name["key_id"] for row in journal(lake).rows(SUBJECT) for name in _identities(row)}
    missing = sorted(used - ring.lost - ring.keys.keys())
    if missing:
        raise no_key(missing)
    if ring.newest is None:
        if not Storage(settings.lake).is_local:
            message = (
                "SLIPSTREAM_ERASURE_KEY is not set. It is the secret by which erased subjects are kept out from now "
                'on, the same for every worker: python -c "import secrets; print(secrets.token_hex(32))". Keep a '
                "copy where your backups' keys are kept."
            )
            raise SettingsError(message)
        ring = KeyRing.parse(",".join([secrets.token_hex(_KEY_BYTES), *(f"{LOST}{each}" for each in ring.lost)]))
    return ring


def _keep_key(ring: KeyRing, settings: Settings) -> None:
    """Leave the key of the first erasure where the next ones find it; nothing where it is set or there already."""
    newest = ring.newest
    if newest is None or newest in KeyRing.parse(settings.read_erasure_key()).keys:
        return
    path = settings.erasure_key_file
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        message = f"Another erasure made the key {path} just now. Run it again."
        raise WriteConflictError(message) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(ring.keys[newest])
        stream.flush()
        os.fsync(stream.fileno())


def _earlier(subject: Names, lake: Lake, ring: KeyRing) -> list[tuple[dict[str, Any], list[Names]]]:
    """Return the earlier erasures of the subject, with what they found to name its rows."""
    found = []
    for row in journal(lake).rows(SUBJECT):
        names = [Names.of_record(each, ring) for each in _identities(row) if each["key_id"] in ring.keys]
        persons = [each for each in names if each.person and each.columns == subject.columns]
        if any(each.holds(value) for each in persons for value in subject.known or ()):
            found.append((row, names))
    return found


def _together(found: Sequence[Names], earlier: Sequence[Names]) -> tuple[Names, ...]:
    """Return what names the subject now, and what only an earlier erasure knew; hashes are slower to look for."""
    more: list[Names] = []
    for each in earlier:
        same = (other for other in (*found, *more) if other.columns == each.columns and other.key_id == each.key_id)
        if not any(each.hashes <= other.hashes and each.tables <= other.tables for other in same):
            more.append(each)
    return (*found, *more)


def _open(lake: Lake) -> dict[str, dict[str, Any]]:
    rows = journal(lake).rows(SUBJECT)
    done = {row["erasure"] for row in rows if row["action"] == DONE}
    return {row["erasure"]: row for row in rows if row["action"] == BEGUN and row["erasure"] not in done}


def _identities(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(row["identities"] or "[]")
    return found


def _write(
    action: str,
    id_: str,
    prepared: Prepared,
    *,
    reason: str,
    lake: Lake,
    run: Run,
    told: Mapping[str, Any] | None = None,
) -> str:
    """Write a row of the record unless it is there, and return when the erasure was begun."""
    plan = dict(told or prepared.erasure.plan)

    def decide(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        there = next((row for row in rows if (row["erasure"], row["action"]) == (id_, action)), None)
        return there or {
            "action": action,
            "erasure": id_,
            "column": prepared.erasure.column,
            "reason": reason,
            "by": run.by,
            "run_id": f"{run.dag_id}/{run.run_id}",
            "identities": json.dumps([each.as_record() for each in prepared.names]) if action == BEGUN else None,
            "tables": json.dumps(plan["tables"], sort_keys=True),
            "versions": json.dumps(plan["versions"]),
            "more": json.dumps({name: plan[name] for name in (*NUMBERS, "unreadable")}),
        }

    written = journal(lake).append(SUBJECT, decide, run=run)
    at: datetime = written[0]["at"] if written else datetime.now(UTC)
    return iso(at.replace(microsecond=0))


def _recorded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan that a row of the record keeps; no names of landed files are in it, for they may name anybody."""
    return {**json.loads(row["more"]), **{name: json.loads(row[name]) for name in ("tables", "versions")}}


def _merged(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a first and a later look found, together: what the first had taken the later does not see."""
    tables = {**before.get("tables", {})}
    for name, counts in now["tables"].items():
        known = tables.get(name, {})
        tables[name] = {each: max(count, known.get(each, 0)) for each, count in counts.items()}
    listed = [*before.get("versions", ()), *now["versions"]]
    versions = {(each["model"], each["version"]): each for each in reversed(listed)}
    numbers = {each: max(before.get(each, 0), now[each]) for each in NUMBERS}
    landed = sorted({*before.get("landed", ()), *now["landed"]})
    told = {"tables": tables, "versions": list(reversed(versions.values())), **numbers, "landed": landed}
    return {**told, "unreadable": now["unreadable"]}
