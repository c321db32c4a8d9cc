"""``slipstream run``: one stage of one definition, with the same library call as its task, without Airflow."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, Project, console, print_json, project
from slipstream.errors import DefinitionError
from slipstream.intervals import Interval, Schedule, iso, utc

if TYPE_CHECKING:
    from slipstream.definitions import Definition


class Stage(StrEnum):
    """The stages that run on their own."""

    ingestion = "ingestion"
    features = "features"
    training = "training"
    promotion = "promotion"
    scoring = "scoring"
    monitoring = "monitoring"


def run(
    stage: Annotated[Stage, typer.Argument(help="Which stage.")],
    name: Annotated[str, typer.Argument(metavar="DEFINITION", help="The source, view or model.")],
    *,
    interval: Annotated[
        str | None, typer.Option("--interval", help="A day such as 2013-01-31, or START/END; several are run in order.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", help="What was known at this time (UTC). Without: now; for promotion, the challenger's training."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one stage here and now, with the library call of its task; promotion prints the verdict and writes nothing.

    Training and promotion take --as-of, the other stages --interval.
    """
    _fitting_options(stage, interval, as_of)
    here = project()
    definition = _definition(here, stage, name)
    if stage in (Stage.training, Stage.promotion):
        results = [_decide(here, stage, definition, as_of)]
    else:
        results = [_stage(stage)(here, definition, each) for each in _intervals(stage, definition, str(interval))]
    if as_json:
        print_json(results)
        return
    for result in results:
        console.print_json(data=result, default=str)


def _fitting_options(stage: Stage, interval: str | None, as_of: str | None) -> None:
    """Refuse an option that the stage would not look at, and an interval that is missing."""
    decides = stage in (Stage.training, Stage.promotion)
    if decides and interval is not None:
        message = f"{stage.value} has no --interval; it takes --as-of, for example --as-of 2013-02-01."
    elif not decides and as_of is not None:
        message = f"{stage.value} has no --as-of; it takes --interval, for example --interval 2013-02-01."
    elif not decides and interval is None:
        message = f"{stage.value} wants --interval, for example --interval 2013-02-01."
    else:
        return
    raise typer.BadParameter(message)


def _definition(here: Project, stage: Stage, name: str) -> Any:
    if stage is Stage.ingestion:
        return here.definitions.source(name)
    if stage is Stage.features:
        return here.definitions.view(name)
    return here.definitions.model(name)


def _intervals(stage: Stage, definition: Any, text: str) -> list[Interval]:
    cron = Schedule(definition.monitoring.schedule) if stage is Stage.monitoring else definition.cron
    start, slash, end = text.partition("/")
    if not slash:
        return _existing([cron.interval_at(utc(start))], definition)
    wanted = Interval(utc(start), utc(end))
    found = list(cron.intervals(wanted.start, wanted.end))
    if found[0].start != wanted.start or found[-1].end != wanted.end:
        near = f"{iso(found[0].start)}/{iso(found[-1].end)}"
        message = f"{wanted} does not fall on the schedule {cron.cron!r} of {definition.name!r}; the nearest is {near}."
        raise DefinitionError(message)
    return _existing(found, definition)


def _existing(intervals: list[Interval], definition: Any) -> list[Interval]:
    """Return the intervals if the definition has all of them: none starts before its ``start`` or from its ``end`` on.

    Airflow starts no run outside of them either.
    """
    for interval in intervals:
        if interval.start < definition.start or (definition.end and interval.start >= definition.end):
            until = f" to {iso(definition.end)}" if definition.end else " on"
            message = f"{definition.name!r} has intervals from {iso(definition.start)}{until}; found {interval}."
            raise DefinitionError(message)
    return intervals


def _stage(stage: Stage) -> Callable[[Project, Any, Interval], dict[str, Any]]:
    return {
        Stage.ingestion: _ingest,
        Stage.features: _materialise,
        Stage.scoring: _score,
        Stage.monitoring: _monitor,
    }[stage]


def _ingest(here: Project, source: Definition, interval: Interval) -> dict[str, Any]:
    from slipstream.ingestion import ingest

    return ingest(source, interval, lake=here.lake, settings=here.settings, run=here.run).as_dict()  # type: ignore[arg-type]


def _materialise(here: Project, view: Any, interval: Interval) -> dict[str, Any]:
    from slipstream.features import materialise

    return materialise(view, interval, **here.source).as_dict()


def _score(here: Project, model: Any, interval: Interval) -> dict[str, Any]:
    from slipstream.scoring import score

    return score(model, interval, **here.source).as_dict()


def _monitor(here: Project, model: Any, interval: Interval) -> dict[str, Any]:
    from slipstream.monitoring import monitor

    return monitor(model, interval, **here.source).as_dict()


def _decide(here: Project, stage: Stage, model: Any, as_of: str | None) -> dict[str, Any]:
    moment = utc(as_of) if as_of else None
    if stage is Stage.training:
        from datetime import UTC, datetime

        from slipstream.training import train

        return train(model, moment or datetime.now(UTC), **here.source).as_dict()
    from slipstream.promotion import decide

    source = {name: value for name, value in here.source.items() if name != "run"}  # it writes nothing to the lake
    return decide(model, as_of=moment, **source).as_dict()
