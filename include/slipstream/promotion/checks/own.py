"""What a team looks at itself: a function in the model's folder, held to what every check must return."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from slipstream.definitions.code import load_function
from slipstream.errors import DefinitionError
from slipstream.promotion.gate import CheckResult, Evidence, Outcome, register_check

if TYPE_CHECKING:
    from slipstream.definitions import OwnCheck


@register_check("own")
def own(evidence: Evidence, settings: OwnCheck) -> CheckResult:
    """Return what the team's function finds in the evidence, under the function's name.

    Raises:
        DefinitionError: The file or the function is not there, or it returns something else than a sound CheckResult.
    """
    found = load_function(evidence.model, settings.function)(evidence, **settings.settings)
    if fault := result_fault(found):
        message = f"{settings.function} {fault}"
        raise DefinitionError(message)
    name, numbers = settings.function.partition(":")[2], json.loads(json.dumps(dict(found.numbers)))
    return CheckResult(name, found.outcome, found.sentence, numbers)


def result_fault(found: Any) -> str | None:
    """Return in words what is wrong with what a check returned; None where it is sound."""
    outcomes = get_args(Outcome)
    if not isinstance(found, CheckResult):
        return f"returned {type(found).__name__}; wanted a CheckResult(name, outcome, sentence, numbers)."
    if found.outcome not in outcomes:
        return f"returned the outcome {found.outcome!r}; wanted one of {', '.join(outcomes)}."
    if not isinstance(found.sentence, str) or not found.sentence.strip():
        return f"returned the sentence {found.sentence!r}; wanted words that a person can read."
    if not isinstance(found.numbers, Mapping):
        return f"returned numbers that are {type(found.numbers).__name__}; wanted a mapping of names to numbers."
    for name, value in found.numbers.items():
        try:
            json.dumps({name: value}, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return f"returned {name} = {str(value)[:60]}; wanted what JSON can hold: finite numbers, words, lists."
    return None
