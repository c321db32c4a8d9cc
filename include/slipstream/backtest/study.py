"""Several policies over the same time, side by side."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from slipstream import __version__
from slipstream.backtest.store import Store, digest_of, write_whole
from slipstream.definitions.policy import Policy, read_policy
from slipstream.definitions.problem import nearest
from slipstream.errors import DefinitionError
from slipstream.intervals import Interval, iso

if TYPE_CHECKING:
    from slipstream.backtest.rows import Rows
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

BUILTIN = ("never", "monthly", "weekly", "alarms")
FORMAT = 4  # of what is kept; another one starts anew


class Show(Protocol):
    """Where progress goes."""

    def step(self, name: str, total: int | None) -> None: ...
    def advance(self, name: str, done: int) -> None: ...
    def finish(self, name: str, seconds: float) -> None: ...


@dataclass(frozen=True)
class Study:
    """What came of a backtest: one entry a policy and gate, JSON-able, and where its files lie."""

    model: str
    start: datetime
    end: datetime
    folder: Path
    runs: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "from": iso(self.start),
            "to": iso(self.end),
            "folder": str(self.folder),
            "runs": list(self.runs),
        }


def load_policies(named: Sequence[str]) -> list[Policy]:
    """Return the policies by name of a built-in one or by file; the built-in ones where none is named."""
    found = [_policy(each) for each in named or BUILTIN]
    names = [each.name for each in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        message = f"Two policies are named {', '.join(twice)}; give each a name of its own."
        raise DefinitionError(message)
    return found


def _policy(named: str) -> Policy:
    path = Path(named)
    if path.is_file():
        return read_policy(path)
    if named in BUILTIN:
        return read_policy(Path(str(files("slipstream.backtest") / "builtin" / f"{named}.yaml")))
    close = nearest(named, BUILTIN)
    hint = f" Did you mean {close!r}?" if close else ""
    message = f"Wanted a policy file or one of {', '.join(BUILTIN)}; found {named!r}, which is no file.{hint}"
    raise DefinitionError(message)


def backtest(
    model: Model,
    span: Interval,
    policies: Sequence[Policy],
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    show: Show,
) -> Study:
    """Replay ``span`` (UTC) once for each policy, with its gate as it says, and keep the pictures and the page.

    Everything is kept under ``<home>/backtests/<model>`` as it is found: the same backtest again reads it, and one
    that was killed goes on.

    Raises:
        IncompleteError: Intervals are not in the lake; the message says how to make them.
        DefinitionError: A policy does not fit the model.
        FatalError: A training has too few rows.
    """
    from slipstream.backtest.rows import load_rows, pinned, settled

    chosen = [(policy, policy.of(model), gate) for policy in policies for gate in _gates(policy)]
    whole = Interval(model.start, span.end)
    versions = pinned(model, whole, definitions=definitions, lake=lake)
    store = Store(settings.home / "backtests" / model.name / _key(model, whole, versions))
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings}
    with _timed(show, "Rows and features", None):
        rows = load_rows(model, whole, versions, store=store, **source)
    told = settled(model, span.end, definitions=definitions)
    runs = tuple(_run(model, each, span, rows, store, told, show) for each in chosen)
    return _keep(Study(model.name, span.start, span.end, store.folder, runs), policies, store)


@contextmanager
def _timed(show: Show, name: str, total: int | None) -> Iterator[None]:
    began = time.monotonic()
    show.step(name, total)
    yield
    show.finish(name, time.monotonic() - began)


def _run(
    model: Model,
    chosen: tuple[Policy, Model, bool],
    span: Interval,
    rows: Rows,
    store: Store,
    told: datetime,
    show: Show,
) -> dict[str, Any]:
    """Replay one policy; ``told`` is when every label of the span is known."""
    from slipstream.backtest.months import by_month, harms, in_all
    from slipstream.backtest.running import run_policy

    policy, changed, gate = chosen
    name = f"{policy.name}, gate {'on' if gate else 'off'}"

    def advance(moment: datetime) -> None:
        show.advance(name, (moment - span.start).days)

    with _timed(show, name, max(span.length.days, 1)):
        course = run_policy(changed, span, rows, store, gate=gate, advance=advance)
    # By the model's own value check, so that a policy with another gate is counted in the same money.
    return {
        "policy": policy.name,
        "gate": "on" if gate else "off",
        "all": in_all(model, span, course, rows, told),
        "months": by_month(model, span, course, rows, told),
        "trainings": [{**each.as_dict(), "at": iso(each.at)} for each in course.trainings],
        "promotions": harms(model, span, course, rows, told),
        "alarms": [{"at": iso(at), "alarm": alarm} for at, alarm in course.alarms],
    }


def _gates(policy: Policy) -> tuple[bool, ...]:
    return {"on": (True,), "off": (False,), "both": (True, False)}[policy.gate]


def _key(model: Model, whole: Interval, versions: dict[str, int]) -> str:
    from slipstream.provenance import library_versions

    parts = {
        "format": FORMAT,
        "slipstream": __version__,
        "libraries": library_versions(),
        "training": model.training_digest,
        "rows": str(whole),
        "versions": versions,
    }
    return digest_of(parts)


def _keep(study: Study, policies: Sequence[Policy], store: Store) -> Study:
    from slipstream.backtest.pictures import draw, page

    which = digest_of({"policies": [each.model_dump(mode="json") for each in policies], "span": str(study.start)})
    folder = store.folder / "results" / which
    found = Study(study.model, study.start, study.end, folder, study.runs)
    write_whole(folder / "result.json", json.dumps(found.as_dict(), indent=2))
    write_whole(folder / "curves.png", draw(found))
    write_whole(folder / "report.html", page(found))
    return found
