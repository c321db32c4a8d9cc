"""Waiting for intervals of the lake's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseSensorOperator

from slipstream_airflow.context import interval_of
from slipstream_airflow.documentation import documentation
from slipstream_airflow.hooks.lake import LakeHook
from slipstream_airflow.triggers.table import TablesCompleteTrigger, describe, raise_unless_ready

if TYPE_CHECKING:
    from airflow.sdk import Context

    from slipstream.definitions import Definitions
    from slipstream.features import Needed

Stage = Literal["features", "scoring", "monitoring"]


class NeededSensor(BaseSensorOperator):
    """Wait, holding no worker, until every interval that ``needed`` names is complete in the lake.

    Looks once, and goes to the triggerer only if something is missing.

    Args:
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
        lake_conn_id: Connection of type ``lake``; where the default one is absent, the settings say where it is.
    """

    template_fields: Sequence[str] = ("interval_start",)

    def __init__(
        self,
        *,
        interval_start: str | None = None,
        lake_conn_id: str = LakeHook.default_conn_name,
        poke_interval: float = 10.0,
        timeout: float = 2 * 24 * 3600.0,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", documentation(type(self)))
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.interval_start = interval_start
        self.lake_conn_id = lake_conn_id

    @cached_property
    def lake_hook(self) -> LakeHook:
        return LakeHook(self.lake_conn_id)

    @property
    def definitions(self) -> Definitions:
        from slipstream_airflow.generation import sound_definitions

        return sound_definitions()

    def needed(self, context: Context) -> list[Needed]:
        """Return what has to be complete."""
        raise NotImplementedError

    def execute(self, context: Context) -> None:
        from slipstream.features import missing_inputs

        needed = self.needed(context)
        missing = missing_inputs(self.lake_hook.lake, needed)
        if not missing:
            return
        self.log.info(describe(missing))
        trigger = TablesCompleteTrigger(
            needed=[each.as_dict() for each in needed],
            root=self.lake_hook.lake.root,
            storage_options=self.lake_hook.settings.storage_options(),
            poll_interval=self.poke_interval,
        )
        self.defer(trigger=trigger, method_name="complete", timeout=timedelta(seconds=self.timeout))

    def complete(self, context: Context, event: Mapping[str, Any]) -> None:
        raise_unless_ready(event)


class IntervalCompleteSensor(NeededSensor):
    """Wait, holding no worker, until one interval of one table is complete in the lake.

    Args:
        table: The table's name, e.g. ``features/airport_conditions``.
    """

    template_fields: Sequence[str] = ("table", "interval_start")

    def __init__(self, *, table: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table

    def needed(self, context: Context) -> list[Needed]:
        from slipstream.definitions import table_cron
        from slipstream.features import Needed

        schedule = table_cron(self.definitions, self.table)
        return [Needed(self.table, (interval_of(context, schedule, start=self.interval_start),))]


class TablesCompleteSensor(NeededSensor):
    """Wait, holding no worker, until all that a stage reads for its interval is complete in the lake.

    Args:
        stage: ``features`` of a view, or ``scoring`` or ``monitoring`` of a model.
        definition: Name of the view or the model.
    """

    template_fields: Sequence[str] = ("definition", "interval_start")

    def __init__(self, *, stage: Stage, definition: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.definition = definition

    def needed(self, context: Context) -> list[Needed]:
        of_stage = {"features": self._of_features, "scoring": self._of_scoring, "monitoring": self._of_monitoring}
        return of_stage[self.stage](context)

    def _of_features(self, context: Context) -> list[Needed]:
        from slipstream.features import view_inputs

        view = self.definitions.view(self.definition)
        interval = interval_of(context, view.cron, start=self.interval_start, since=view.start, until=view.end)
        return view_inputs(view, interval, definitions=self.definitions)

    def _of_scoring(self, context: Context) -> list[Needed]:
        from slipstream.features import model_inputs

        model = self.definitions.model(self.definition)
        interval = interval_of(
            context, model.cron, start=self.interval_start, since=model.start, until=model.end, due=model.scoring.at
        )
        return model_inputs(model, interval, definitions=self.definitions)

    def _of_monitoring(self, context: Context) -> list[Needed]:
        from slipstream.intervals import Schedule
        from slipstream.monitoring import monitoring_inputs

        model = self.definitions.model(self.definition)
        interval = interval_of(
            context, Schedule(model.monitoring.schedule), start=self.interval_start, since=model.start, until=model.end
        )
        return monitoring_inputs(model, interval, definitions=self.definitions, lake=self.lake_hook.lake)

    def complete(self, context: Context, event: Mapping[str, Any]) -> None:
        """Look again: what monitoring needs follows from the first champion, which may have come meanwhile."""
        super().complete(context, event)
        if self.stage == "monitoring":
            self.execute(context)
