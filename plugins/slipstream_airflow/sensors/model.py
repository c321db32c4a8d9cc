"""Waiting for what happens to a model: a decision to retrain it, another champion. For people's own DAGs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from slipstream_airflow.documentation import documentation
from slipstream_airflow.hooks.lake import LakeHook
from slipstream_airflow.triggers.polling import PollingTrigger, raise_unless_ready
from slipstream_airflow.triggers.retrain import RetrainSignalTrigger
from slipstream_airflow.triggers.version import ModelVersionTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class ModelSensor(BaseSensorOperator):
    """Wait, holding no worker, for something that happens to a model, and return it.

    Args:
        model: The model's name.
        lake_conn_id: Connection of type ``lake``; where the default one is absent, the settings say where it is.
    """

    template_fields: Sequence[str] = ("model",)

    def __init__(
        self,
        *,
        model: str,
        lake_conn_id: str = LakeHook.default_conn_name,
        poke_interval: float = 10.0,
        timeout: float = 7 * 24 * 3600.0,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", documentation(type(self)))
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.model = model
        self.lake_conn_id = lake_conn_id

    @cached_property
    def lake_hook(self) -> LakeHook:
        return LakeHook(self.lake_conn_id)

    def place(self) -> dict[str, Any]:
        """Return what every trigger has to know."""
        options = self.lake_hook.settings.storage_options()
        return {"root": self.lake_hook.lake.root, "storage_options": options, "poll_interval": self.poke_interval}

    def found(self, **given: Any) -> dict[str, Any] | None:
        """Return what is waited for, None while it has not happened."""
        raise NotImplementedError

    def wait(self, trigger: PollingTrigger, **given: Any) -> dict[str, Any]:
        """Return what is waited for if it has happened; else come back when it has."""
        now = self.found(**given)
        if now is None:
            self.defer(trigger=trigger, method_name="happened", kwargs=given, timeout=timedelta(seconds=self.timeout))
        return now or {}

    def happened(self, context: Context, event: Mapping[str, Any], **given: Any) -> dict[str, Any]:
        raise_unless_ready(event)
        return self.found(**given) or {}


class RetrainSignalSensor(ModelSensor):
    """Wait, holding no worker, until it is decided that a model is to be retrained, and return the decision.

    Decisions of before the task started do not count, unless ``after`` names an earlier row.

    Args:
        after: A row of ``ledger/retraining`` (its ``seq``); only later ones count.
    """

    template_fields: Sequence[str] = ("model", "after")

    def __init__(self, *, after: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.after = after

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.monitoring import retrainings

        rows = retrainings(self.model, lake=self.lake_hook.lake)
        after = (rows[-1].seq if rows else 0) if self.after is None else int(self.after)
        return self.wait(RetrainSignalTrigger(model=self.model, after=after, **self.place()), after=after)

    def found(self, **given: Any) -> dict[str, Any] | None:
        from slipstream.monitoring import retrainings

        rows = retrainings(self.model, lake=self.lake_hook.lake)
        row = next((each for each in rows if each.action == "retrain" and each.seq > given["after"]), None)
        return row.as_dict() if row else None


class ModelVersionSensor(ModelSensor):
    """Wait, holding no worker, until the champion of a model is another version, and return what the ledger says of it.

    Args:
        other_than: The version that does not count; default: the one that is champion when the task starts.
    """

    template_fields: Sequence[str] = ("model", "other_than")

    def __init__(self, *, other_than: str | int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.other_than = other_than

    def execute(self, context: Context) -> dict[str, Any]:
        from slipstream.promotion import champion

        other = self.other_than
        if other is None:
            row = champion(self.model, lake=self.lake_hook.lake)
            other = row.version if row else None
        other = None if other is None else str(other)
        return self.wait(ModelVersionTrigger(model=self.model, other_than=other, **self.place()), other_than=other)

    def found(self, **given: Any) -> dict[str, Any] | None:
        from slipstream.promotion import champion

        row = champion(self.model, lake=self.lake_hook.lake)
        if row is None or row.version == given["other_than"]:
            return None
        return {name: value for name, value in row.as_dict().items() if name != "verdict"}
