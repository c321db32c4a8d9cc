"""Are the columns that a file has those that its source declares?"""

from __future__ import annotations

from collections.abc import Sequence

from slipstream.definitions import Source
from slipstream.definitions.problem import nearest
from slipstream.errors import BatchRejectedError

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def check_columns(found: Sequence[str], source: Source, *, file: str, delimiter: str | None = None) -> tuple[str, ...]:
    """Return the columns that the source does not declare, which are ignored.

    Raises:
        BatchRejectedError: A declared column is missing, required or not, or a name stands there twice.
    """
    twice = sorted({name for name in found if list(found).count(name) > 1})
    if twice:
        message = f"{file}: the columns {', '.join(twice)} stand there more than once. Send each column once."
        raise BatchRejectedError(message)
    missing = [name for name in source.columns if name not in found]
    unknown = tuple(name for name in found if name not in source.columns)
    if missing:
        message = (
            f"{file}: wanted the columns {', '.join(source.columns)}; missing: {', '.join(missing)}; "
            f"not expected: {', '.join(unknown) or 'none'}.{_advice(missing, unknown, found, delimiter)}"
        )
        raise BatchRejectedError(message)
    return unknown


def _advice(missing: Sequence[str], unknown: Sequence[str], found: Sequence[str], delimiter: str | None) -> str:
    if delimiter is not None and len(found) == 1:
        for other, name in DELIMITERS.items():
            if other != delimiter and other in found[0]:
                return (
                    f" The header looks as if it were delimited by {name}; the source declares {delimiter!r}. "
                    f"Set connector.delimiter to {other!r}, or have the file sent as declared."
                )
    renamed = [f"{name} (perhaps now {close})" for name in missing if (close := nearest(name, unknown))]
    if renamed:
        return f" It looks renamed: {', '.join(renamed)}. Rename it in source.yaml, or have it sent under its old name."
    return " Have the file sent with them, or take them out of source.yaml."
