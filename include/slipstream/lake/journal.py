"""A table that only grows, a row at a time: each row is written by one who saw all rows before it, or not at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from slipstream.errors import WriteConflictError
from slipstream.lake.commits import Provenance, Run

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.lake.lake import Lake

ATTEMPTS = 60
_TICK = timedelta(microseconds=1)
Values = dict[str, Any]


class Journal:
    """The rows about many models in one append-only table.

    Args:
        name: The table's name.
        columns: Column to Arrow type, beside ``model``, ``seq`` and ``at``, which every row has.
        told: Columns whose values the commit names, beside the model.
    """

    def __init__(self, lake: Lake, name: str, columns: Mapping[str, pa.DataType], *, told: Sequence[str] = ()) -> None:
        import pyarrow as pa

        own = {"model": pa.string(), "seq": pa.int64(), "at": pa.timestamp("us", tz="UTC")}
        self._table, self._name, self._told = lake.table(name), name, ("model", *told)
        self.schema = pa.schema({**own, **columns})

    def rows(self, model: str) -> list[Values]:
        """Return the rows about ``model``, oldest first."""
        return self._read(model)[0]

    def append(
        self, model: str, decide: Callable[[Sequence[Values]], Values | None], *, run: Run
    ) -> tuple[Values, bool] | None:
        """Write the row that ``decide`` makes of the rows before it, and return it and whether it is new.

        ``decide`` may return a row that is there already, or None: nothing is written then. It is asked again whenever
        somebody else wrote meanwhile.

        Raises:
            WriteConflictError: Others kept writing; nothing was written.
        """
        import pyarrow as pa

        for attempt in range(ATTEMPTS):
            rows, version = self._read(model)
            wanted = decide(rows)
            if wanted is None:
                return None
            if "seq" in wanted:
                return wanted, False
            now = datetime.now(UTC)
            at = max(now, rows[-1]["at"] + _TICK) if rows else now  # a clock that was set back does not reorder
            row = {"model": model, "seq": rows[-1]["seq"] + 1 if rows else 1, "at": at, **wanted}
            found = pa.Table.from_pylist([row], schema=self.schema)
            provenance = Provenance(run=run, extra={column: row.get(column) for column in self._told})
            try:
                self._table.append(found, expected_version=version, provenance=provenance)
            except WriteConflictError:
                time.sleep(random.uniform(0, 0.02 * min(attempt + 1, 10)))  # noqa: S311 - to part two writers
                continue
            return row, True
        message = (
            f"{self._name} was written by others {ATTEMPTS} times while {model!r} tried. "
            "Nothing was written; try again."
        )
        raise WriteConflictError(message)

    def _read(self, model: str) -> tuple[list[Values], int | None]:
        import pyarrow.compute as pc

        version = self._table.version()
        if version is None:
            return [], None
        there = set(self._table.schema(version).names)  # a table of another release has fewer columns, or more
        columns = [name for name in self.schema.names if name in there]
        found = self._table.read(version=version, where=pc.field("model") == model, columns=columns).to_pylist()
        return sorted(found, key=lambda row: int(row["seq"])), version
