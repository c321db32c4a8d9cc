"""A new definition's folder, written whole or not at all, and never over another."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from slipstream.definitions import Definitions, Source, View
from slipstream.definitions.base import spell_duration
from slipstream.definitions.loading import read_root
from slipstream.errors import DefinitionError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SUFFIX = ".tmpl"  # so that no linter takes a template for what will be made of it
_NUMBERS = ("float64", "int64")
_TAKEN = frozenset({"event_time", "known_at", "interval_start", "rows_1d"})
# A feature's type → whether an estimator takes it, as a number or as a word.
_FOR_ESTIMATORS = ("float64", "int64", "bool", "string")


def new_source(root: Path, name: str) -> Path:
    """Write ``sources/<name>`` below ``root`` and return the folder.

    Raises:
        DefinitionError: The name is not one, or is taken.
    """
    return _write(root, "sources", "source", name, {"today": f"{datetime.now(UTC):%Y-%m-%d}"})


def new_view(root: Path, name: str, *, source: str | None = None) -> Path:
    """Write ``features/<name>``, a view of ``source`` or of the first source there is, and return the folder.

    Raises:
        DefinitionError: The name is not one, or is taken; or there is no such source.
    """
    origin = _source(read_root(root).usable, source, needed_by=f"view {name}")
    entity = _entity(origin)
    numbers = [
        each
        for each, column in origin.columns.items()
        if column.type in _NUMBERS and each not in {entity, *origin.key, *_TAKEN}
    ][:3]
    lines = [
        f"  {each}: {{type: {origin.columns[each].type}, description: {_quoted(f'Last {each} of the {entity}.')}}}"
        for each in numbers
    ]
    lines.append(f"  rows_1d: {{type: float64, description: {_quoted(f'Rows of the {entity} in the day before.')}}}")
    values = {
        "source": origin.name,
        "entity": entity,
        "schedule": origin.schedule,
        "start": _day(origin.start),
        "features": "\n".join(lines),
        "columns": "".join(f"    {_identifier(each)},\n" for each in numbers).rstrip("\n"),
    }
    return _write(root, "features", "view", name, values)


def new_model(root: Path, name: str, *, view: str | None = None, source: str | None = None) -> Path:
    """Write ``models/<name>``, of the features of ``view`` for the rows of ``source``, and return the folder.

    Without ``view`` and ``source``, the first view whose entity columns some source has.

    Raises:
        DefinitionError: The name is not one, or is taken; or there is no such pair of view and source.
    """
    definitions = read_root(root).usable
    features, origin = _pair(definitions, name, view, source)
    taken = {each: feature for each, feature in features.features.items() if feature.type in _FOR_ESTIMATORS}
    columns = list(dict.fromkeys([*origin.key, *features.entity]))
    batch = origin.cron.interval_at(origin.start).length
    values = {
        "source": origin.name,
        "entity": features.entity[0],
        "start": _day(max(features.start, origin.start)),
        "schedule": origin.schedule,
        "lookback": spell_duration(batch),
        "key": ", ".join(map(_identifier, origin.key)),
        "columns": ", ".join(map(_identifier, columns)),
        "features": "\n".join(f"  - {features.name}:{each}" for each in taken),
        "categories": ", ".join(
            f'"{features.name}__{each}"' for each, feature in taken.items() if feature.type == "string"
        ),
    }
    return _write(root, "models", "model", name, values)


def _source(definitions: Definitions, name: str | None, *, needed_by: str) -> Source:
    if name:
        return definitions.source(name)
    if not definitions.sources:
        message = f"A {needed_by} reads a source, and there is none yet. Make one first: slipstream new source NAME."
        raise DefinitionError(message)
    return next(iter(definitions.sources.values()))


def _pair(definitions: Definitions, name: str, view: str | None, source: str | None) -> tuple[View, Source]:
    if not view and not definitions.views:
        message = (
            f"A model {name} uses the features of a view, and there is none yet. "
            "Make one first: slipstream new view NAME."
        )
        raise DefinitionError(message)
    views = [definitions.view(view)] if view else list(definitions.views.values())
    sources = [definitions.source(source)] if source else list(definitions.sources.values())
    pairs = [
        (each, origin)
        for each in views
        for origin in sources
        if set(each.entity) <= set(origin.columns)
        and any(feature.type in _FOR_ESTIMATORS for feature in each.features.values())
    ]
    if not pairs:
        entities = "; ".join(f"{each.name} is of {', '.join(each.entity)}" for each in views)
        message = (
            f"Wanted a source whose rows can be joined to a view; none of {[each.name for each in sources]} has the "
            f"entity columns ({entities}). Name others with --view and --source."
        )
        raise DefinitionError(message)
    # Rows that a view was made from make the plainest example.
    own = [pair for pair in pairs if pair[1].table in {given.table for given in pair[0].inputs.values()}]
    return (own or pairs)[0]


def _entity(source: Source) -> str:
    """Return the first required word that does not name a row by itself, else the first column of the key."""
    words = [
        name
        for name, column in source.columns.items()
        if column.type == "string" and column.required and name not in source.key and name not in _TAKEN
    ]
    return words[0] if words else source.key[0]


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%dT%H:%M}Z"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _identifier(name: str) -> str:
    """Return a column or table for SQL, quoted if DuckDB has another use for the word."""
    import duckdb

    query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
    with duckdb.connect(":memory:") as connection:
        reserved = connection.execute(query).fetchall()
    return f'"{name}"' if (name,) in reserved else name


def _check_name(root: Path, folder: str, name: str) -> Path:
    import yaml

    if not _NAME.fullmatch(name) or yaml.safe_load(name) != name:
        close = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:63]
        hint = f" What about {close!r}?" if _NAME.fullmatch(close) and close != name else ""
        message = (
            f"Wanted a name of lower-case letters, digits and _, a letter first, at most 63 in all, and no word that "
            f"YAML reads as true, false or null; found {name!r}.{hint}"
        )
        raise DefinitionError(message)
    target = root / folder / name
    if target.exists():
        message = f"{target} is there already; nothing was written. Choose another name, or edit what is there."
        raise DefinitionError(message)
    return target


def _write(root: Path, folder: str, template: str, name: str, values: Mapping[str, str]) -> Path:
    target = _check_name(root, folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{name}.{os.getpid()}"
    partial.mkdir()
    try:
        for file in _templates(template):
            written = partial / file.name.removesuffix(SUFFIX)
            text = file.read_text(encoding="utf-8")
            written.write_text(_filled(text, written, root, {**values, "name": name}), encoding="utf-8")
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target


def _templates(template: str) -> Iterable[Path]:
    folder = Path(str(files("slipstream.templates"))) / template
    return sorted(file for file in folder.iterdir() if file.suffix == SUFFIX)


def _filled(text: str, file: Path, root: Path, values: Mapping[str, str]) -> str:
    words = {**values, "editor": _editor_line(root, file.stem)}
    if file.suffix == ".sql":
        words = {key: _identifier(word) if key in ("source", "entity") else word for key, word in words.items()}
    filled = re.sub(r"\{\{(\w+)\}\}", lambda match: words[match.group(1)], text)
    return re.sub(r"\n\n(?=    \(count)", "\n", filled)


def _editor_line(root: Path, stem: str) -> str:
    """Return the comment that tells an editor the file's JSON schema, where the project has it."""
    schema = Path("docs/reference/schemas") / f"{stem}.json"
    return f"# yaml-language-server: $schema=../../../{schema.as_posix()}\n" if (root.parent / schema).is_file() else ""
