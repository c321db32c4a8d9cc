"""Waiting for another champion."""

from __future__ import annotations

from typing import Any

from slipstream_airflow.triggers.polling import PollingTrigger


class ModelVersionTrigger(PollingTrigger):
    """Ends when the champion of a model is another version than a given one.

    Args:
        model: The model's name.
        other_than: The version that does not count; None: any champion will do.
        root: Root of the lake.
        storage_options: Options of the object store; no secrets, which come from the environment.
        poll_interval: Seconds between two looks.
    """

    def __init__(
        self, *, model: str, other_than: str | None, root: str, storage_options: dict[str, str], poll_interval: float
    ) -> None:
        super().__init__(poll_interval=poll_interval)
        self.model = model
        self.other_than = other_than
        self.root = root
        self.storage_options = dict(storage_options)
        self._seen: int | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("model", "other_than", "root", "storage_options", "poll_interval")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def look(self) -> str | None:
        from slipstream.lake import Lake
        from slipstream.promotion import champion
        from slipstream.promotion.history import TABLE

        lake = Lake(self.root, storage_options=self.storage_options)
        missing = f"Waiting for a champion of {self.model}" + (
            f" other than version {self.other_than}." if self.other_than else "."
        )
        version = lake.table(TABLE).version()
        if version == self._seen:
            return missing
        row = champion(self.model, lake=lake)
        if row is not None and row.version != self.other_than:
            return None
        self._seen = version
        return missing
