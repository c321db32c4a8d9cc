"""What a version was made of, as far down as the registry and the lake tell: run, rows, tables, code, libraries."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import NotFoundError
from slipstream.intervals import Interval, iso, utc
from slipstream.lake.erasures import Erased, erased_from
from slipstream.promotion.origin import FOLDER
from slipstream.promotion.registry import PREFIX, Registry, VersionDetails

if TYPE_CHECKING:
    from slipstream.lake import Commit, Lake
    from slipstream.settings import Settings

_RUN, _LIBRARY = f"{PREFIX}run.", f"{PREFIX}library."


@dataclass(frozen=True)
class TableLineage:
    """One table as it was read.

    Attributes:
        version: The Delta version that was read; of a view's input the newest one that any of its intervals read.
        oldest: The oldest version that was read.
        intervals, rows: What the table held at ``version`` of intervals that start before the training's time.
        first, last: Start of the first, end of the last of these, UTC.
        definitions: Digest of the definition that wrote intervals, with how many of them; ``unknown`` without one.
        inputs: What those intervals were made from.
        problem: Why nothing can be told; None where it can.
    """

    table: str
    version: int
    oldest: int
    intervals: int = 0
    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None
    definitions: Mapping[str, int] | None = None
    inputs: tuple[TableLineage, ...] = ()
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "version": self.version,
            "oldest_version": self.oldest,
            "intervals": self.intervals,
            "rows": self.rows,
            "first": iso(self.first) if self.first else None,
            "last": iso(self.last) if self.last else None,
            "definitions": dict(self.definitions or {}),
            "inputs": [each.as_dict() for each in self.inputs],
            "problem": self.problem,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableLineage:
        plain = {**values, "version": int(values["version"]), "oldest": int(values["oldest_version"])}
        del plain["oldest_version"]
        for name in ("first", "last"):
            plain[name] = utc(plain[name]) if plain[name] else None
        return cls(**{**plain, "inputs": tuple(cls.from_dict(each) for each in plain["inputs"])})


@dataclass(frozen=True)
class Lineage:
    """The tree of one version.

    Attributes:
        run: Who trained it: ``dag_id``, ``run_id``, …; empty where the run was deleted from MLflow.
        libraries: With which libraries it was fitted; empty likewise.
        erased: What was erased of the rows that it was trained on, since.
    """

    details: VersionDetails
    run: Mapping[str, str]
    libraries: Mapping[str, str]
    tables: tuple[TableLineage, ...]
    erased: tuple[Erased, ...] = ()

    @property
    def origin(self) -> str | None:
        """Say where an imported version comes from, and with it the tables; None for one that was trained here."""
        return f"{self.details.origin.sentence}; the tables are in its lake" if self.details.origin else None

    def as_dict(self) -> dict[str, Any]:
        told = self.details.as_dict()
        taken = ("training_set_digest", "as_of", "train_start", "train_end", "key", "definition_digest")
        return {
            **{name: told[name] for name in ("model", "version", "aliases", "created_at", "verdict", "task", "origin")},
            "run": {"mlflow_run_id": self.details.run_id, **self.run},
            "training_set": {name.removeprefix("training_set_"): told[name] for name in taken},
            "fit": {name: told[name] for name in ("seed", "params", "training_digest")},
            "tables": [each.as_dict() for each in self.tables],
            "code_version": self.details.code_version,
            "lock_digest": self.details.lock_digest,
            "libraries": dict(self.libraries),
            "erased": [each.as_dict() for each in self.erased],
        }


def trace(model: str, version: str, *, lake: Lake, settings: Settings) -> Lineage:
    """Return what ``version`` was made of, from the registry's tags and the lake's provenance alone.

    Of an imported version the tables are those of another lake: what it said of them came with the version.

    No definition is read, so that a model whose folder was edited or deleted has its lineage still.

    Raises:
        NotFoundError: There is no such version.
    """
    registry = Registry.from_settings(settings)
    details = registry.details(model, version)
    tags = registry.run_tags(details.run_id)
    tables: Iterable[TableLineage]
    if details.origin:
        text = registry.document(details.run_id, f"{FOLDER}/lineage.json")
        tables = [TableLineage.from_dict(each) for each in json.loads(text or "[]")]
    else:
        tables = (_table(lake, name, (read, read), details.as_of) for name, read in sorted(details.versions.items()))
    erased = tuple(erased_from(model, details.version, lake=lake))
    return Lineage(details, _below(tags, _RUN), _below(tags, _LIBRARY), tuple(tables), erased)


def _below(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): tags[name] for name in sorted(tags) if name.startswith(prefix)}


def _table(lake: Lake, name: str, read: tuple[int, int], before: datetime) -> TableLineage:
    """Return what ``name`` held when it was read at versions ``read`` (the oldest, the newest)."""
    table, (oldest, version) = lake.table(name), read
    try:
        live = [interval for interval in table.intervals(version) if interval.start < before]
    except NotFoundError as error:
        return TableLineage(name, version, oldest, problem=str(error))
    written: dict[Interval, Commit] = {}
    for commit in table.commits():  # newest first
        if commit.interval is not None and commit.version <= version:
            written.setdefault(commit.interval, commit)
    commits = [written.get(interval) for interval in live]
    return TableLineage(
        table=name,
        version=version,
        oldest=oldest,
        intervals=len(live),
        rows=sum(commit.rows for commit in commits if commit),
        first=live[0].start if live else None,
        last=max((interval.end for interval in live), default=None),
        definitions=dict(Counter((commit and commit.provenance.get("definition")) or "unknown" for commit in commits)),
        inputs=tuple(_table(lake, below, span, before) for below, span in _inputs(commits) if below != name),
    )


def _inputs(commits: list[Commit | None]) -> list[tuple[str, tuple[int, int]]]:
    found: dict[str, list[int]] = {}
    for commit in filter(None, commits):
        for table, version in commit.provenance.get("inputs", {}).items():
            found.setdefault(table, []).append(int(version))
    return [(table, (min(versions), max(versions))) for table, versions in sorted(found.items())]
