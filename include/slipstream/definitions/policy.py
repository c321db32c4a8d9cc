"""A policy that a backtest tries: what of ``model.yaml`` is otherwise, and whether the gate is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from slipstream.definitions.base import Name, Strict
from slipstream.definitions.gate import GateCheck
from slipstream.definitions.model import Evaluation, Model, Monitoring, Retraining, Training
from slipstream.definitions.problem import Problem
from slipstream.definitions.validation import problems_of, validate
from slipstream.definitions.yaml import Document, UnreadableError, read_yaml
from slipstream.errors import DefinitionError

# YAML 1.1 reads a bare on and off as true and false.
_WORDS = {True: "on", False: "off"}


def _word(value: Any) -> Any:
    return _WORDS[value] if isinstance(value, bool) else value


Switch = Annotated[Literal["on", "off", "both"], BeforeValidator(_word)]


class Changes(Strict):
    """Blocks of model.yaml; the keys that are named replace those of the model, the others stay."""

    training: Training | None = None
    evaluation: Evaluation | None = None
    gate: tuple[GateCheck, ...] | None = Field(default=None, min_length=1)
    monitoring: Monitoring | None = None
    retraining: Retraining | None = None


class Policy(Strict):
    """When a model is trained again, and whether its gate has a say."""

    name: Name
    description: str = ""
    gate: Switch = Field(
        default="both", description="off: every challenger is promoted; both: once with, once without."
    )
    model: Changes = Field(default=Changes(), description="What is otherwise than in model.yaml.")

    def of(self, model: Model, *, file: str = "") -> Model:
        """Return ``model`` under this policy; DefinitionError where the two do not fit."""
        record = model.as_record()
        changes = self.model.model_dump(mode="json", exclude_unset=True)
        data = {**record["definition"], **{name: _over(record["definition"][name], changes[name]) for name in changes}}
        try:
            found = Model.model_validate(data)
        except ValidationError as error:
            problems = problems_of(error, file or f"policy {self.name}", Model, Document(data, {}))
            raise DefinitionError(_told(self.name, problems)) from error
        found._files.update(record["files"])
        found._folder = model.folder
        return found


def _over(block: Any, changes: Any) -> Any:
    return {**block, **changes} if isinstance(block, Mapping) and isinstance(changes, Mapping) else changes


def read_policy(path: Path) -> Policy:
    """Read a policy file; DefinitionError names every fault with its line."""
    try:
        found = validate(read_yaml(path), path.name, Policy)
    except UnreadableError as error:
        where = f":{error.line}" if error.line else ""
        message = f"Policy {path}{where}: {error}"
        raise DefinitionError(message) from error
    if found.value is None:
        raise DefinitionError(_told(str(path), found.problems))
    return found.value


def _told(name: str, problems: Any) -> str:
    listed: list[Problem] = list(problems)
    return f"Policy {name} has {len(listed)} problem(s):\n" + "\n".join(f"  {problem}" for problem in listed)
