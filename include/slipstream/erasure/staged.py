"""Rows of the subject that wait under the staging root, between two tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slipstream.errors import FatalError
from slipstream.lake.naming import Names
from slipstream.lake.scratch import Scratch

if TYPE_CHECKING:
    from slipstream.settings import Settings


def staged_with(names: Sequence[Names], *, settings: Settings) -> list[str]:
    """Return what has to be made again: files, or the folder of a batch, whose parts belong together.

    Half a file goes, too, for nobody can tell whose rows are in it. Its writer was killed, or is still at work and will
    be tried again.
    """
    import pyarrow as pa

    scratch = Scratch(settings)
    found = set()
    for path in scratch.files():
        kind, _, rest = path.partition("/")
        owner = _table_of(kind, rest.partition("/")[0])
        mine = [each for each in names if owner in each.tables]
        try:
            if mine and _has_rows(scratch, path, mine, kind):
                found.add(path.rpartition("/")[0] if kind == "ingestion" else path)
        except pa.ArrowInvalid:
            found.add(path)
        except (OSError, FatalError):  # its task took it away meanwhile
            continue
    return sorted(found)


def _table_of(kind: str, name: str) -> str:
    return f"raw/{name}" if kind == "ingestion" else f"predictions/{name}"


def _has_rows(scratch: Scratch, path: str, names: Sequence[Names], kind: str) -> bool:
    import pyarrow as pa

    for batch in scratch.batches(path):
        rows = pa.Table.from_batches([batch])
        aside = kind == "ingestion" and "raw" in rows.schema.names
        if any(each.mask("quarantine/" if aside else "", rows) is not None for each in names):
            return True
        if kind == "ingestion" and "__text" in rows.schema.names:
            texts = rows.column("__text").to_pylist()
            if any(each.in_record(text) for each in names for text in texts):
                return True
    return False
