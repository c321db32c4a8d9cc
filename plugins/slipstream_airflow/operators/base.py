"""What every operator of Slipstream shares: its connections, its definitions, its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator, XComArg

from slipstream.errors import FatalError
from slipstream.intervals import Interval, Schedule
from slipstream_airflow.context import interval_of, name_in_log
from slipstream_airflow.documentation import documentation
from slipstream_airflow.hooks.lake import LakeHook
from slipstream_airflow.hooks.tracking import MlflowHook
from slipstream_airflow.triggers.table import TablesCompleteTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from slipstream.definitions import Definitions, Model, Source, View
    from slipstream.features import Needed
    from slipstream.lake import Lake
    from slipstream.settings import Settings

Passed = Mapping[str, Any] | XComArg | str
"""What an earlier task returned: its ``.output``, or a template that gives it."""


class SlipstreamOperator(BaseOperator):
    """A step of a stage.

    Args:
        lake_conn_id: Connection of type ``lake``; where the default one is absent, the settings say where it is.
        mlflow_conn_id: Connection of type ``mlflow``; likewise.
    """

    def __init__(
        self,
        *,
        lake_conn_id: str = LakeHook.default_conn_name,
        mlflow_conn_id: str = MlflowHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", documentation(type(self)))
        # Airflow gives a hook what came of the task, and a method of the same name nothing.
        kwargs.setdefault("post_execute", say_what_came_of_it)
        super().__init__(**kwargs)
        self.lake_conn_id = lake_conn_id
        self.mlflow_conn_id = mlflow_conn_id
        self.links: dict[str, str] = {}

    @cached_property
    def lake_hook(self) -> LakeHook:
        return LakeHook(self.lake_conn_id)

    @cached_property
    def mlflow_hook(self) -> MlflowHook:
        return MlflowHook(self.mlflow_conn_id)

    @property
    def lake(self) -> Lake:
        return self.lake_hook.lake

    @cached_property
    def settings(self) -> Settings:
        """The settings of this process with both connections in them; for steps that speak to MLflow."""
        return self.lake_hook.settings.model_copy(update={"mlflow_tracking_uri": self.mlflow_hook.tracking_uri})

    @property
    def definitions(self) -> Definitions:
        from slipstream_airflow.generation import sound_definitions

        return sound_definitions()

    def pre_execute(self, context: Any) -> None:
        """Name the definition in every line that the task logs."""
        super().pre_execute(context)
        name_in_log(**{kind: str(getattr(self, kind)) for kind in ("source", "view", "model") if hasattr(self, kind)})

    def announce(self, context: Context, facts: Mapping[str, Any]) -> None:
        """Put ``facts`` on the event of every asset that the task has as an outlet."""
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(facts)


class SourceOperator(SlipstreamOperator):
    """A step of one interval of a source.

    Args:
        source: The source's name.
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
    """

    template_fields: Sequence[str] = ("source", "interval_start")

    def __init__(self, *, source: str, interval_start: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.interval_start = interval_start

    @property
    def definition(self) -> Source:
        return self.definitions.source(self.source)


class ViewOperator(SlipstreamOperator):
    """A step of one interval of a view.

    Args:
        view: The view's name.
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
    """

    template_fields: Sequence[str] = ("view", "interval_start")

    def __init__(self, *, view: str, interval_start: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.view = view
        self.interval_start = interval_start

    @property
    def definition(self) -> View:
        return self.definitions.view(self.view)


class ModelOperator(SlipstreamOperator):
    """A step of a model.

    Args:
        model: The model's name.
    """

    template_fields: Sequence[str] = ("model",)

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    @property
    def definition(self) -> Model:
        return self.definitions.model(self.model)


class WaitingOperator(ModelOperator):
    """A step of a model that waits, holding no worker, for what is missing in the lake.

    Args:
        poll_interval: Seconds between two looks at the lake while intervals are missing.
        patience: How long to wait for them.
    """

    def __init__(self, *, poll_interval: float = 30.0, patience: timedelta = timedelta(days=1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.poll_interval = poll_interval
        self.patience = patience

    def wait_for(self, needed: Sequence[Needed], *, then: str, **given: Any) -> None:
        """Go on with the method ``then``, given what is ``given``, when all is there; return where it is already."""
        from slipstream.features import missing_inputs

        if not missing_inputs(self.lake, needed):
            return
        trigger = TablesCompleteTrigger(
            needed=[each.as_dict() for each in needed],
            root=self.lake.root,
            storage_options=self.lake_hook.settings.storage_options(),
            poll_interval=self.poll_interval,
        )
        self.defer(trigger=trigger, method_name=then, kwargs=given, timeout=self.patience)


class MonitoringOperator(ModelOperator):
    """A step of one interval of a model's monitoring.

    Args:
        interval_start: Start of the interval in ISO 8601; default: the run's own (see ``interval_of``).
    """

    template_fields: Sequence[str] = ("model", "interval_start")

    def __init__(self, *, interval_start: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.interval_start = interval_start

    def interval(self, context: Context) -> Interval:
        """Return the interval of the monitoring schedule that the run is for."""
        model = self.definition
        cron = Schedule(model.monitoring.schedule)
        return interval_of(context, cron, start=self.interval_start, since=model.start, until=model.end)


def say_what_came_of_it(context: Any, result: Any = None) -> None:
    """Say in the task's log what it returned, but for what is long."""
    if isinstance(result, Mapping):
        _name_interval(result)
        short = {name: value for name, value in result.items() if isinstance(value, str | int | float | bool)}
        context["task"].log.info("Done: %s", ", ".join(f"{name}={value}" for name, value in short.items()))


def _name_interval(found: Mapping[str, Any]) -> None:
    if isinstance(found.get("interval"), str):
        name_in_log(interval=found["interval"])


def passed(value: Any) -> Any:
    """Return what an earlier task passed on; FatalError where it is not there or of another kind.

    The interval that it is of is named in what the task logs from here on.
    """
    if isinstance(value, Mapping):
        _name_interval(value)
        return value
    message = (
        f"Wanted what an earlier task returned, a dictionary, found {value!r}. "
        "Hand over the task's `.output`, or clear that task too, so that it runs again."
    )
    raise FatalError(message)


def passed_list(values: Any) -> list[Any]:
    """Return what the instances of a mapped task passed on."""
    return [passed(value) for value in values] if not isinstance(values, str | Mapping) else [passed(values)]
