"""Rules between the keys of one document.

They work on raw documents, so that a file with a misspelt key still has all its other faults named: a value of a wrong
shape is somebody else's fault to report and is passed over here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from slipstream.definitions.problem import Fault
from slipstream.errors import DefinitionError
from slipstream.intervals import duration, iso, utc

TYPE_NAMES = ("string", "int64", "float64", "bool", "timestamp", "date")
RESERVED = frozenset({"interval_start"})
TIMES = ("event_time", "known_at")
PREDICTION_COLUMNS = frozenset(
    {"prediction_time", "score", "label", "model_version", "run_id", "baseline", "reasons", *RESERVED}
)
LOSSES: Mapping[str, tuple[str, ...]] = {
    "binary_classification": ("log_loss", "brier"),
    "regression": ("absolute_error", "squared_error"),
}
TASKS: Mapping[str, tuple[str, ...]] = {  # of checks that are not for every task
    "fairness": ("binary_classification",),
}


def _time_range_faults(data: Mapping[Any, Any]) -> Iterator[Fault]:
    start, end = _moment(data.get("start")), _moment(data.get("end"))
    if start and end and end <= start:
        yield Fault(("end",), f"Wanted a time after start, {iso(start)}; found {iso(end)}.", iso(end))


def source_faults(data: Any) -> Iterator[Fault]:
    """Yield what a source.yaml says that cannot be true together."""
    data = _mapping(data)
    yield from _time_range_faults(data)
    columns = _mapping(data.get("columns"))
    types = {str(name): _mapping(column).get("type", column) for name, column in columns.items()}
    if not types:
        return
    times = [name for name, kind in types.items() if kind == "timestamp" or kind not in TYPE_NAMES]
    yield from _unknown(("key",), _names(data.get("key")), types, "column")
    yield from _twice(("key",), _names(data.get("key")))
    yield from _unknown(("subject_key",), _name(data.get("subject_key")), types, "column")
    for name, stand_ins in (("event_time", ("interval_start", "interval_end")), ("known_at", ("interval_end",))):
        yield from _time_fault(name, data.get(name), types, [*times, *stand_ins])
    for name in sorted(RESERVED & set(types)):
        yield Fault(("columns", name), f"{name!r} is a column of the lake's own; choose another name.", name)
    for name, column in columns.items():
        yield from _column_faults(str(name), _mapping(column))


def _time_fault(name: str, found: Any, types: Mapping[str, Any], allowed: Collection[str]) -> Iterator[Fault]:
    if name in types and isinstance(found, str) and found != name:
        message = f"A column is named {name!r}, so this must be {name!r} too, or the column renamed; found {found!r}."
        yield Fault((name,), message, found, (name,))
    elif isinstance(found, str) and found in types and found not in allowed:
        options = ", ".join(sorted(allowed))
        message = f"Wanted a timestamp column; {found!r} is a {types[found]}. Allowed are {options}."
        yield Fault((name,), message, None, tuple(sorted(allowed)))
    else:
        yield from _unknown((name,), _name(found), allowed, "timestamp column")


def _column_faults(name: str, column: Mapping[Any, Any]) -> Iterator[Fault]:
    kind = column.get("type")
    wanted = {"format": ("timestamp", "date"), "timezone": ("timestamp",)}
    for key, kinds in wanted.items():
        if key in column and column[key] is not None and kind in TYPE_NAMES and kind not in kinds:
            message = f"Only a {' or '.join(kinds)} has a {key}; {name!r} is a {kind}. Remove it."
            yield Fault(("columns", name, key), message)


def view_faults(data: Any) -> Iterator[Fault]:
    """Yield what a view.yaml says that cannot be true together."""
    data = _mapping(data)
    yield from _time_range_faults(data)
    entity, features = _names(data.get("entity")), [str(name) for name in _mapping(data.get("features"))]
    yield from _twice(("entity",), entity)
    taken = {*TIMES, *RESERVED}
    for position, name in enumerate(entity):
        if name in taken:
            yield Fault(("entity", str(position)), f"{name!r} is a column of every view; choose another name.", name)
    for name in features:
        if name in taken or name in entity:
            owner = "an entity column" if name in entity else "a column of every view"
            yield Fault(("features", name), f"{name!r} is {owner} already; choose another name.", name)


def model_faults(data: Any) -> Iterator[Fault]:
    """Yield what a model.yaml says that cannot be true together."""
    data = _mapping(data)
    yield from _time_range_faults(data)
    key, features = _names(data.get("key")), _names(data.get("features"))
    yield from _twice(("key",), key)
    yield from _twice(("features",), features)
    for position, name in enumerate(key):
        if name in PREDICTION_COLUMNS:
            yield Fault(("key", str(position)), f"{name!r} is a column of every prediction; choose another name.", name)
    yield from _metric_faults(data)
    yield from _gate_column_faults(data, features)
    yield from _window_faults(data)


def _metric_faults(data: Mapping[str, Any]) -> Iterator[Fault]:
    task = data.get("task")
    every = [loss for losses in LOSSES.values() for loss in losses]
    gate = data.get("gate")
    if not isinstance(task, str) or task not in LOSSES or not isinstance(gate, list | tuple):
        return
    for position, check in enumerate(gate):
        name = _mapping(check).get("check")
        if task not in TASKS.get(str(name), LOSSES):
            message = f"The check {name!r} is for {', '.join(TASKS[str(name)])}; the model's task is {task}. Remove it."
            yield Fault(("gate", str(position), "check"), message)
        if name == "value" and task == "regression" and not _mapping(check).get("function"):
            message = (
                "A regression has no outcomes such as true_positive. Name a function of labels and predictions that "
                'gives what each is worth: {check: value, function: "estimator:value"}.'
            )
            yield Fault(("gate", str(position), "function"), message)
        metric = _mapping(check).get("metric")
        if metric in every and metric not in LOSSES[task]:
            path = ("gate", str(position), "metric")
            message = f"Wanted a loss of {task}: {', '.join(LOSSES[task])}; found {metric!r}."
            yield Fault(path, message, metric, LOSSES[task])


def _gate_column_faults(data: Mapping[str, Any], features: list[str]) -> Iterator[Fault]:
    """Yield the columns of checks that no row has; the population's, which only its SQL knows, are not looked at."""
    gate = data.get("gate")
    for position, check in enumerate(gate if isinstance(gate, list | tuple) else ()):
        names, path = _names(_mapping(check).get("columns")), ("gate", str(position), "columns")
        yield from _twice(path, names)
        for place, name in enumerate(names):
            where, spelled = (*path, str(place)), name.replace("__", ":", 1)
            if name == "label" or (":" in name and name not in features):
                message = f"There is no feature {name!r} in the model; allowed are {', '.join(features)}."
                yield Fault(where, message, name, tuple(features))
            elif name not in features and spelled in features:
                yield Fault(where, f"Spell it {spelled!r}, as in features; found {name!r}.", name, (spelled,))


def _window_faults(data: Mapping[str, Any]) -> Iterator[Fault]:
    evaluation = _length(_mapping(data.get("evaluation")).get("window", "14d"))
    training = _length(_mapping(data.get("training")).get("window", "365d"))
    if evaluation is not None and evaluation <= timedelta(0):
        yield Fault(("evaluation", "window"), "Wanted more than 0.")
    elif evaluation is not None and training is not None and evaluation >= training:
        message = (
            f"Wanted less than training.window ({training}), of which it is the last part; found {evaluation}. "
            "Nothing would be left to train on."
        )
        yield Fault(("evaluation", "window"), message)


def _unknown(path: tuple[str, ...], names: Iterable[str], valid: Iterable[str], what: str) -> Iterator[Fault]:
    names, allowed = list(names), tuple(sorted(valid))
    for position, name in enumerate(names):
        if name not in allowed:
            place = path if path[-1] in (*TIMES, "subject_key") else (*path, str(position))
            message = f"There is no {what} {name!r}; allowed are {', '.join(allowed) or 'none'}."
            yield Fault(place, message, name, allowed)


def _twice(path: tuple[str, ...], names: list[str]) -> Iterator[Fault]:
    for position, name in enumerate(names):
        if name in names[:position]:
            yield Fault((*path, str(position)), f"{name!r} stands there twice; name each once.", name)


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | tuple) else []


def _name(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else []


def _moment(value: Any) -> datetime | None:
    try:
        return utc(value)
    except (DefinitionError, AttributeError):
        return None


def _length(value: Any) -> timedelta | None:
    try:
        return duration(value)
    except (ValueError, OverflowError, TypeError):
        return None
