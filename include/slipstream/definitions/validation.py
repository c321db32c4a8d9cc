"""From pydantic's errors to problems that name the file, the key path, what was found and what is allowed."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from slipstream.definitions.problem import Problem, UnknownNamesError, nearest
from slipstream.definitions.yaml import Lines


def problems_of(error: ValidationError, file: str, kind: type[BaseModel], lines: Lines) -> list[Problem]:
    """Unfold one validation error into one problem a fault."""
    problems: list[Problem] = []
    for fault in error.errors(include_url=False):
        location = [str(part) for part in fault["loc"]]
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, UnknownNamesError):
            problems += [
                _unknown(file, [*_real(location, lines), where], name, names, lines)
                for where, name, names in cause.unknown
            ]
        else:
            problems.append(_problem(fault, file, location, kind, lines))
    return problems


def _real(location: Sequence[str], lines: Lines) -> list[str]:
    """Drop the parts that pydantic adds for tagged unions and that no file has."""
    path: list[str] = []
    for part in location:
        if (*path, part) in lines or part == location[-1]:
            path.append(part)
    return path


def _line(path: Sequence[str], lines: Lines) -> int | None:
    for length in range(len(path), -1, -1):
        if tuple(path[:length]) in lines:
            return lines[tuple(path[:length])]
    return None


def _unknown(file: str, path: Sequence[str], name: str, names: Sequence[str], lines: Lines) -> Problem:
    message = f"There is no {name!r}; allowed are {', '.join(names) or 'none'}."
    return Problem(file, _line(path, lines), ".".join(path), message, name, tuple(names), nearest(name, names))


def _problem(fault: Any, file: str, location: list[str], kind: type[BaseModel], lines: Lines) -> Problem:
    path, found = _real(location, lines), fault.get("input")
    allowed: tuple[str, ...] = ()
    match fault["type"]:
        case "extra_forbidden":
            allowed = tuple(_keys_at(kind, location[:-1]))
            message, name = f"The key {location[-1]!r} is not known; allowed are {', '.join(allowed)}.", location[-1]
            return Problem(file, _line(path, lines), ".".join(path), message, name, allowed, nearest(name, allowed))
        case "missing":
            return Problem(file, _line(path[:-1], lines), ".".join(path), "This key is required; it is not there.")
        case "literal_error" | "union_tag_invalid":
            text = fault["ctx"].get("expected") or fault["ctx"].get("expected_tags")
            allowed = tuple(part.strip(" '\"") for part in text.replace(" or ", ", ").split(","))
            if fault["type"] == "union_tag_invalid":
                path, found = [*path, fault["ctx"]["discriminator"].strip("'")], fault["ctx"]["tag"]
        case _:
            pass
    text = str(fault["msg"]).removeprefix("Value error, ")
    hint = nearest(found, allowed) if isinstance(found, str) else None
    message = text if "found" in text else f"{text}; found {_short(found)}."
    return Problem(file, _line(path, lines), ".".join(path), message, _short(found), allowed, hint)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _keys_at(kind: Any, location: Sequence[str]) -> list[str]:
    """Return the keys that the model at ``location`` knows."""
    models = [kind]
    for part in location:
        models = [inner for model in models for inner in _step(model, part)] or models
    return sorted({name for model in models if _is_model(model) for name in model.model_fields})


def _step(kind: Any, part: str) -> list[Any]:
    if _is_model(kind):
        if part in kind.model_fields:
            return _unfold(kind.model_fields[part].annotation)
        tags = [field.annotation for field in kind.model_fields.values() if part in get_args(field.annotation)]
        return [kind] if tags else []
    return []


def _unfold(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated) or origin in (tuple, list, dict, Mapping, Sequence):
        return [inner for argument in get_args(annotation) for inner in _unfold(argument)]
    if origin is not None:
        return [inner for argument in get_args(annotation) for inner in _unfold(argument)]
    return [annotation] if _is_model(annotation) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
