"""The functions that a gate names: are they there, do they take what they are given, is what they give a number?"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from slipstream.checking.estimators import FILE, ROWS
from slipstream.checking.findings import Findings, readable
from slipstream.definitions import Model, OwnCheck, ValueCheck
from slipstream.definitions.code import file_of, load_module
from slipstream.definitions.loading import Reading
from slipstream.errors import DefinitionError

Path = tuple[str, ...]


def check_gates(reading: Reading, findings: Findings) -> None:
    """Find functions of gates that could never be called; what they then find in real rows is their own matter."""
    for model in reading.usable.models.values():
        said: set[str] = set()
        for position, check in enumerate(model.gate):
            path = ("gate", str(position), "function")
            if isinstance(check, OwnCheck):
                function = _function(model, check.function, path, findings, said)
                if function is not None:
                    _fits(model, check.function, function, (("evidence",), check.settings), path, findings)
            elif isinstance(check, ValueCheck) and check.function is not None:
                function = _function(model, check.function, path, findings, said)
                given: tuple[Path, Mapping[str, Any]] = (("label", "prediction"), {})
                if function is not None and _fits(model, check.function, function, given, path, findings):
                    _try_worth(model, check.function, path, findings)


def _function(model: Model, named: str, path: Path, findings: Findings, said: set[str]) -> Any:
    """Return the function; None, and a problem, where there is none. A broken file is told once."""
    file, name = file_of(named), named.partition(":")[2]
    if readable(findings, model, file, path) is None:
        return None
    try:
        module = load_module(model, file)
    except DefinitionError as error:
        if file != FILE and file not in said:  # a broken estimator.py is told already
            findings.add_text(model, file, path, str(error))
        said.add(file)
        return None
    found = getattr(module, name, None)
    if not callable(found):
        names = sorted(each for each, value in vars(module).items() if inspect.isfunction(value))
        allowed = [f"{file.removesuffix('.py')}:{each}" for each in names if not each.startswith("_")]
        message = f"{file} has no function {name!r}; it has {', '.join(names) or 'none'}."
        findings.add(model, path, message, found=named, allowed=allowed)
        return None
    return found


def _fits(
    model: Model, named: str, function: Any, given: tuple[Path, Mapping[str, Any]], path: Path, findings: Findings
) -> bool:
    """Tell whether the function takes what it will be given."""
    places, settings = given
    try:
        signature = inspect.signature(function)
        signature.bind(*places, **settings)
    except (TypeError, ValueError) as error:
        wanted = ", ".join([*places, *(f"{name}=…" for name in settings)])
        message = f"{named} is called as {named.partition(':')[2]}({wanted}), which does not fit: {error}."
        findings.add(model, path, message)
        return False
    return True


def _try_worth(model: Model, named: str, path: Path, findings: Findings) -> None:
    """Ask the function what made-up predictions are worth."""
    import numpy as np

    from slipstream.promotion.checks.value import worth_by_function
    from slipstream.promotion.gate import said

    label = np.arange(ROWS, dtype=np.float64) % (2 if model.task == "binary_classification" else 13)
    try:
        worth_by_function(model, named, label, label[::-1] * 0.5 + 0.25)
    except (Exception, SystemExit) as error:  # the team's code may raise anything
        reason = str(error) if isinstance(error, DefinitionError) else f"{named} failed on made-up rows: {said(error)}"
        findings.add(model, path, reason)
