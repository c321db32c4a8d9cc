"""What was read of a table, kept until the table changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from slipstream.lake import Lake, Table

T = TypeVar("T")


class Kept:
    """Values made of a table, each with the stamp of the table that it was made of; at most ``limit`` of them.

    Several threads may ask at once. Two that miss the same value both make it, which costs time and nothing else.
    """

    def __init__(self, limit: int = 1024) -> None:
        self.limit = limit
        self._values: OrderedDict[Hashable, tuple[str | None, object]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def of(self, lake: Lake, table: str, what: Hashable, make: Callable[[Table], T]) -> T:
        """Return ``make(table)``, or what it returned before for ``what`` if the table is as it was."""
        opened, key = lake.table(table), (lake.root, table, what)
        with self._lock:
            found = self._values.get(key)
        stamp = opened.stamp(found[0] if found else None)
        if found is not None and found[0] == stamp:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
            return cast("T", found[1])
        value = make(opened)  # after the stamp: if the table changed in between, it is made again next time
        with self._lock:
            self._values[key] = (stamp, value)
            self._values.move_to_end(key)
            while len(self._values) > self.limit:
                self._values.popitem(last=False)
        return value


SMALL = Kept(4096)
"""A few numbers of a table."""
LARGE = Kept(256)
"""What may take a megabyte: many rows of a table, a document."""
