"""Where a pydantic error lies: its key path in the file, and what the model at that place knows."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


@dataclass(frozen=True)
class Place:
    """A spot in a document: its key path, and the models that may stand there."""

    path: tuple[str, ...]
    models: tuple[type[BaseModel], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are known here."""
        return tuple(sorted({name for model in self.models for name in model.model_fields}))

    @property
    def tag(self) -> tuple[str, tuple[str, ...]]:
        """The key that tells the models apart, and its values; empty where there is one model only."""
        for name in self.models[0].model_fields if len(self.models) > 1 else ():
            values = [_literals(model.model_fields[name].annotation) for model in self.models]
            if all(values):
                return name, tuple(value for each in values for value in each)
        return "", ()


def place_of(kind: type[BaseModel], location: Sequence[str | int]) -> Place:
    """Follow pydantic's location through ``kind``, leaving out the parts that no file has: tags, ``[key]``."""
    path: list[str] = []
    current: list[Any] = [kind]
    for part in location:
        if part == "[key]":
            continue
        models = [option for option in current if _is_model(option)]
        if len(models) > 1:
            current = [model for model in models if _is_tagged(model, part)] or models
            if len(current) < len(models):
                continue
        path.append(str(part))
        current = [inner for option in current for inner in _step(option, part)]
    return Place(tuple(path), tuple(option for option in current if _is_model(option)))


def _step(option: Any, part: str | int) -> list[Any]:
    if _is_model(option):
        known = option.model_fields.get(str(part))
        return _unfold(known.annotation) if known else []
    origin, arguments = get_origin(option), get_args(option)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _unfold(arguments[1])
    return _unfold(arguments[0]) if arguments else []


def _unfold(annotation: Any) -> list[Any]:
    """Return the options of a union, Annotated and None taken away."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unfold(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for argument in get_args(annotation) for inner in _unfold(argument)]
    return [] if annotation is type(None) else [annotation]


def _is_tagged(model: type[BaseModel], tag: str | int) -> bool:
    return any(tag in _literals(known.annotation) for known in model.model_fields.values())


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
