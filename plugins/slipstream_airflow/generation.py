"""One DAG a definition: from the definitions that are sound to the DAGs of one stage.

A definition that is broken has no DAG, and takes no other one down: what is wrong stands in the import error of
``dags/definitions.py``, which Airflow shows on its first page.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from slipstream.definitions import read_definitions
from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from slipstream.definitions import Definition, Definitions, Model, Problem, Source, View

D = TypeVar("D", bound="Definition")
FOLDERS = ("sources", "features", "models")


def sound_definitions(root: Path | None = None) -> Definitions:
    """Return the definitions of this project that have no problem of their own; read again when a file changes."""
    return _read(root)[0]


def require_sound(root: Path | None = None) -> None:
    """Raise one DefinitionError that names every problem of every definition, if there is any."""
    problems = _read(root)[1]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        message = (
            f"{len(problems)} problem(s) in the definitions; the DAGs of the broken ones are missing, the others run:\n"
            f"{listed}\nMend them; `slipstream check` tells when all is well."
        )
        raise DefinitionError(message)


def make_source_dags(stage: str, make: Callable[[Source], DAG]) -> dict[str, DAG]:
    """Make one DAG a source; see ``make_dags``."""
    return make_dags(stage, make, sound_definitions().sources.values())


def make_view_dags(stage: str, make: Callable[[View], DAG]) -> dict[str, DAG]:
    """Make one DAG a view; see ``make_dags``."""
    return make_dags(stage, make, sound_definitions().views.values())


def make_model_dags(stage: str, make: Callable[[Model], DAG]) -> dict[str, DAG]:
    """Make one DAG a model; see ``make_dags``."""
    return make_dags(stage, make, sound_definitions().models.values())


def make_dags(stage: str, make: Callable[[D], DAG], definitions: Iterable[D]) -> dict[str, DAG]:
    """Return ``<definition>.<stage>`` to its DAG; in a task's process only the DAG of that task."""
    from airflow.sdk import get_parsing_context

    wanted = get_parsing_context().dag_id
    named = {f"{definition.name}.{stage}": definition for definition in definitions}
    return {dag_id: make(definition) for dag_id, definition in named.items() if wanted in (None, dag_id)}


def doc(text: str | None, **about: Any) -> str:
    """Return a DAG's documentation: its file's docstring, then what is particular to the definition."""
    lines = [f"- **{name.replace('_', ' ')}**: {value}" for name, value in about.items() if value not in (None, "")]
    return "\n\n".join([inspect.cleandoc(text or ""), "\n".join(lines)])


def _read(root: Path | None) -> tuple[Definitions, tuple[Problem, ...]]:
    from slipstream.settings import get_settings

    root = root or get_settings().definitions
    files = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*") if "__pycache__" not in path.parts)
    stats = [(str(path), path.stat()) for path in files]
    return _cached(root, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


@functools.lru_cache(maxsize=4)
def _cached(root: Path, stamp: tuple[tuple[str, int, int], ...]) -> tuple[Definitions, tuple[Problem, ...]]:
    definitions, problems = read_definitions(root)
    return definitions, tuple(problems)


def lake_tables() -> list[str]:
    """Return the name of every table that the definitions may have in the lake."""
    definitions = sound_definitions()
    found = [f"{kind}/{name}" for name in definitions.sources for kind in ("raw", "quarantine")]
    found += [view.table for view in definitions.views.values()]
    found += [table for model in definitions.models.values() for table in (model.table, model.monitoring_table)]
    return [*sorted(found), "ledger/alerts", "ledger/retraining", "ledger/promotions"]
