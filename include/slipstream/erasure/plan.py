"""What an erasure would take, found by reading and changing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstream.erasure.pages import pages_with
from slipstream.erasure.staged import staged_with
from slipstream.erasure.versions import PREDICTIONS, Sample, Samples, Trained, registry_of, samples_with, trained_on
from slipstream.errors import NotFoundError
from slipstream.lake.naming import Names
from slipstream.lake.removal import Held

if TYPE_CHECKING:
    from datetime import datetime

    from slipstream.definitions import Definitions
    from slipstream.lake import Lake
    from slipstream.promotion import Registry
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What is there of a subject.

    Attributes:
        tables: What each table holds, those that hold nothing left out.
        versions: Registered versions that were trained on the subject's rows.
        samples: Reference samples with rows of the subject.
        staged: Files and batches on their way between two tasks.
        pages: Reports that may show rows of the subject.
        landed: Files that the subject's rows came in by; they are the source system's, and stay.
        unreadable: Runs whose reference sample is no whole file, so that nobody can tell whose rows are in it.
    """

    tables: tuple[Held, ...]
    versions: tuple[Trained, ...]
    samples: tuple[Sample, ...]
    staged: tuple[str, ...]
    pages: tuple[str, ...]
    landed: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        return not (self.tables or self.samples or self.staged)

    def as_dict(self) -> dict[str, Any]:
        return {
            "tables": {each.table: each.as_dict() for each in self.tables},
            "versions": [each.as_dict() for each in self.versions],
            "reference_rows": sum(each.rows for each in self.samples),
            "staged": len(self.staged),
            "reports": len(self.pages),
            "landed": list(self.landed),
            "unreadable": list(self.unreadable),
        }


def make_plan(names: Sequence[Names], *, definitions: Definitions, lake: Lake, settings: Settings) -> Plan:
    """Look into every table that ``names`` are about, all its versions, staging, reports and MLflow's artifacts."""
    held = tuple(each for name in tables_of(names, lake) if (each := _held(name, names, lake)).files)
    registry = registry_of(lake, settings)
    samples = samples_with(names, registry, definitions=definitions) if registry else Samples()
    return Plan(
        tables=held,
        versions=tuple(trained_on(held, registry, definitions=definitions)) if registry else (),
        samples=samples.named,
        staged=tuple(staged_with(names, settings=settings)),
        pages=tuple(_pages(held, samples.named, registry, definitions=definitions, lake=lake, settings=settings)),
        landed=tuple(_landed(held, lake)),
        unreadable=samples.unreadable,
    )


def tables_of(names: Sequence[Names], lake: Lake) -> list[str]:
    """Return the tables that may have rows of the subject: sources first, then what is made from them."""
    order = ("raw", "quarantine", "features", "predictions")
    named = {table for each in names for table in each.tables} & set(lake.tables())
    return sorted(named, key=lambda name: (order.index(name.partition("/")[0]), name))


def of_table(names: Sequence[Names], table: str) -> list[Names]:
    """Return those of ``names`` that are about ``table``."""
    return [each for each in names if table in each.tables]


def _held(table: str, names: Sequence[Names], lake: Lake) -> Held:
    return lake.table(table).removal().find(of_table(names, table))


def _pages(
    held: Sequence[Held], samples: Sequence[Sample], registry: Registry | None, **source: Any
) -> list[str]:  # fmt: skip
    starts: dict[str, set[datetime]] = {}
    for each in held:
        if each.table.startswith(PREDICTIONS):
            found = {file.start for file in each.files if file.start is not None}
            starts.setdefault(each.table.removeprefix(PREDICTIONS), set()).update(found)
    shown: dict[str, set[str]] = {}
    for sample in samples:
        shown.setdefault(sample.model, set()).update(_versions_of(sample, registry))
    models = sorted(starts.keys() | shown.keys())
    pages = (pages_with(name, starts.get(name, set()), shown.get(name, set()), **source) for name in models)
    return [page for found in pages for page in found]


def _versions_of(sample: Sample, registry: Registry | None) -> set[str]:
    found = set()
    for version in registry.versions(sample.model) if registry else ():
        try:
            if registry and registry.details(sample.model, version).run_id == sample.run_id:
                found.add(version)
        except NotFoundError:
            continue
    return found


def _landed(held: Sequence[Held], lake: Lake) -> list[str]:
    """Return the landing files that the commits of the subject's intervals name."""
    found: set[str] = set()
    for each in held:
        if each.table.startswith(("raw/", "quarantine/")):
            starts = {file.start for file in each.files}
            for commit in lake.table(each.table).commits():
                extra = commit.provenance.get("extra") or {}
                extra = {**(extra.get("before") or {}), **extra}
                if commit.interval is not None and commit.interval.start in starts:
                    found |= set(extra.get("files") or ())
    return sorted(found)
