"""What a task says of itself in the UI: the first lines of its class."""

from __future__ import annotations

import inspect


def documentation(kind: type) -> str:
    """Return the first paragraph of a class's docstring, to be shown beside its tasks."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
