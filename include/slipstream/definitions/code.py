"""A team's own Python beside its YAML: the text that went into the digest is what runs."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    from types import ModuleType

    from slipstream.definitions.base import Definition


def load_module(definition: Definition, file: str) -> ModuleType:
    """Return a file of the definition's folder as a module; another text is another module, so nothing is stale.

    Raises:
        DefinitionError: The file is not in the folder, or cannot be imported.
    """
    text = definition.text(file)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    name = f"_slipstream_{definition.kind}s.{definition.name}_{file.removesuffix('.py').replace('/', '_')}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    who, path = f"{definition.kind.capitalize()} {definition.name!r}", definition.folder / file
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    if spec is None:
        message = f"{who}: {path} cannot be imported."
        raise DefinitionError(message)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        # The text that went into the definition's digest is what runs, even if the file was edited a moment ago.
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - the team's own code, as an import runs it
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        message = f"{who}: {file} cannot be imported: {type(error).__name__}: {error}."
        raise DefinitionError(message) from error
    return module


def file_of(named: str) -> str:
    """Return the file of ``file:function``: ``checks.py`` of ``checks:no_night_flights``."""
    return f"{named.partition(':')[0]}.py"


def load_function(definition: Definition, named: str) -> Callable[..., Any]:
    """Return the function that ``file:function`` names in the definition's folder.

    Raises:
        DefinitionError: There is no such file or function, or the file cannot be imported.
    """
    file, function = file_of(named), named.partition(":")[2]
    found = getattr(load_module(definition, file), function, None)
    if not callable(found):
        message = f"{definition.kind.capitalize()} {definition.name!r}: {file} has no function {function!r}."
        raise DefinitionError(message)
    return found  # type: ignore[no-any-return]
