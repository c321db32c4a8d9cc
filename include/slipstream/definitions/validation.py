"""From a document to a definition, or to one problem for each of its faults."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from slipstream.definitions.problem import Fault, FaultsError, Problem, in_order, nearest, shown
from slipstream.definitions.shape import Place, place_of
from slipstream.definitions.yaml import Document

M = TypeVar("M", bound=BaseModel)
Rules = Callable[[Any], Iterable[Fault]]

_WANTED: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "dict_type": "keys and values",
    "mapping_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "tuple_type": "a list",
    "list_type": "a list",
    "sequence_str": "a list",
    "is_instance_of": "a list",
}
_PATTERNS: Mapping[str, str] = {
    r"^[a-z][a-z0-9_]{0,62}$": "a name of lower-case letters, digits and _, a letter first, at most 63 in all",
    r"^(raw|features)/[a-z][a-z0-9_]*$": "a table such as raw/<source> or features/<view>",
    r"^expect_[a-z0-9_]+$": "the name of a Great Expectations expectation, such as expect_column_values_to_be_between",
    r"^[a-z_][\w]*:[a-zA-Z_]\w*$": "file:function, such as connector:read for read in connector.py",
}


@dataclass(frozen=True)
class Validated(Generic[M]):
    """What came of a document.

    ``value`` is there if it is sound. ``mended`` is also there if leaving out what is wrong makes it readable, so that
    a check can go on and find what else is wrong.
    """

    value: M | None
    mended: M | None
    problems: tuple[Problem, ...]


def validate(document: Document, file: str, kind: type[M], rules: Rules | None = None) -> Validated[M]:
    """Read ``document`` as ``kind``; ``rules`` are those that ``kind`` runs itself once its shape is right."""
    problems = [_repeated(file, path, line) for path, line in document.repeated]
    if not isinstance(document.data, dict):
        found = "nothing" if document.data is None else shown(document.data)
        problems.append(Problem(file, 1, "", f"Wanted keys and values, found {found}.", found, place_of(kind, ()).keys))
        return Validated(None, None, tuple(problems))
    try:
        value = kind.model_validate(document.data)
    except ValidationError as error:
        problems += problems_of(error, file, kind, document)
        if rules and not any(isinstance(_cause(fault), FaultsError) and not fault["loc"] for fault in error.errors()):
            problems += [fault.in_file(file, document.lines) for fault in rules(document.data)]
        return Validated(None, _mend(document.data, error, kind), tuple(in_order(problems)))
    return Validated(None if problems else value, value, tuple(problems))


def problems_of(error: ValidationError, file: str, kind: type[BaseModel], document: Document) -> list[Problem]:
    """Unfold one validation error into one problem a fault."""
    faults = [(fault, place_of(kind, fault["loc"])) for fault in error.errors(include_url=False)]
    renamed = _renamed(faults, kind)
    problems: list[Problem] = []
    for fault, place in faults:
        cause = _cause(fault)
        if isinstance(cause, FaultsError):
            inner = (Fault((*place.path, *each.path), each.message, each.found, each.allowed) for each in cause.faults)
            problems += [each.in_file(file, document.lines) for each in inner]
        elif not (_was_renamed(fault, place, renamed) or _follows_from_its_items(fault)):
            problems.append(_fault(fault, place, kind).in_file(file, document.lines))
    return problems


def _was_renamed(fault: Any, place: Place, renamed: Mapping[tuple[str, ...], tuple[str, ...]]) -> bool:
    return fault["type"] == "missing" and place.path in renamed.values()


def _follows_from_its_items(fault: Any) -> bool:
    """Tell whether a list is too short only because its items are faulty, each of which is told anyway."""
    found = fault.get("input")
    return (
        fault["type"] == "too_short"
        and isinstance(found, list | tuple | dict)
        and len(found) >= fault["ctx"]["min_length"]
    )


def _cause(fault: Any) -> Any:
    return fault.get("ctx", {}).get("error")


def _repeated(file: str, path: tuple[str, ...], line: int) -> Problem:
    return Problem(file, line, ".".join(path), f"The key {path[-1]!r} stands there twice. Leave one.", path[-1])


def _renamed(faults: Iterable[tuple[Any, Place]], kind: type[BaseModel]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Pair each unknown key with the required key beside it that it was meant to be: they are one fault, not two."""
    faults = list(faults)
    missing = {place.path for fault, place in faults if fault["type"] == "missing"}
    pairs: dict[tuple[str, ...], tuple[str, ...]] = {}
    for fault, place in faults:
        if fault["type"] == "extra_forbidden":
            free = [path[-1] for path in missing - set(pairs.values()) if path[:-1] == place.path[:-1]]
            meant = nearest(place.path[-1], _keys(kind, fault["loc"]))
            if meant in free:
                pairs[place.path] = (*place.path[:-1], str(meant))
    return pairs


def _keys(kind: type[BaseModel], location: tuple[str | int, ...]) -> tuple[str, ...]:
    return place_of(kind, location[:-1]).keys


def _fault(fault: Any, place: Place, kind: type[BaseModel]) -> Fault:
    """Put one of pydantic's errors into words of what was wanted, found and allowed."""
    found, context, path = fault.get("input"), fault.get("ctx", {}), place.path
    match fault["type"]:
        case "extra_forbidden":
            return _unknown_key(path, _keys(kind, fault["loc"]))
        case "missing":
            return Fault(path, "This key is required; it is not there.")
        case "union_tag_not_found":
            name, tags = place.tag
            meant = [key for key in found if key not in place.keys and nearest(key, place.keys) == name]
            if meant:
                return _unknown_key((*path, meant[0]), place.keys)
            return Fault((*path, name), f"This key is required; allowed are {', '.join(tags)}.", None, tags)
        case "union_tag_invalid":
            name, tags = place.tag
            text = str(context["tag"])
            return Fault((*path, name), f"Wanted one of {', '.join(tags)}; found {text!r}.", text, tags)
        case "literal_error" | "enum":
            allowed = tuple(re.findall(r"'([^']*)'", context["expected"]))
            text = found if isinstance(found, str) else shown(found)
            return Fault(path, f"Wanted one of {', '.join(allowed)}; found {shown(found)}.", text, allowed)
        case "string_pattern_mismatch":
            wanted = _PATTERNS.get(context["pattern"], f"text like {context['pattern']}")
            return Fault(path, f"Wanted {wanted}; found {shown(found)}.", shown(found))
        case "too_short" | "string_too_short":
            return Fault(path, f"Wanted at least {context['min_length']}; found {shown(found)}.", shown(found))
        case _:
            return Fault(path, _other(fault, found), shown(found))


def _unknown_key(path: tuple[str, ...], allowed: tuple[str, ...]) -> Fault:
    message = f"The key {path[-1]!r} is not known; allowed are {', '.join(allowed)}."
    return Fault(path, message, path[-1], allowed)


def _other(fault: Any, found: Any) -> str:
    wanted = _WANTED.get(fault["type"])
    text = f"Wanted {wanted}" if wanted else str(fault["msg"]).removeprefix("Value error, ")
    text = text.replace("Input should be", "Wanted a value")
    hint = ""
    if fault["type"] == "string_type" and isinstance(found, bool):
        hint = " YAML reads yes, no, on and off as true and false; put the word in quotes."
    return f"{text}{hint}" if "found" in text else f"{text}; found {shown(found)}.{hint}"


def _mend(data: dict[Any, Any], error: ValidationError, kind: type[M]) -> M | None:
    """Leave out what is not understood and read again; None where that is not enough."""
    faults = [(fault, place_of(kind, fault["loc"])) for fault in error.errors(include_url=False)]
    data = copy.deepcopy(data)
    renamed = _renamed(faults, kind)
    for fault, place in faults:
        if isinstance(_cause(fault), FaultsError) and not place.path:
            continue  # a rule between keys that are readable
        owner = _follow(data, place.path[:-1])
        if isinstance(owner, dict) and fault["type"] != "missing":
            value = owner.pop(place.path[-1], None)
            if place.path in renamed:
                owner.setdefault(renamed[place.path][-1], value)
    try:
        return kind.model_validate(data, context={"lenient": True})
    except ValidationError:
        return None


def _follow(data: Any, path: Iterable[str]) -> Any:
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data
