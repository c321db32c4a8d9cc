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
        str | None, typer.Option("--as-of", help="training, promotion: the time (UTC) to stand at.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one stage here and now, as its task would."""
    here = project()
    definition = _definition(here, stage, name)
    if stage in (Stage.training, Stage.promotion):
        results = [_decide(here, stage, definition, as_of)]
    else:
        results = [_stage(stage)(here, definition, each) for each in _intervals(stage, definition, interval)]
    if as_json:
        print_json(results)
        return
    for result in results:
        console.print_json(data=result, default=str)


def _definition(here: Project, stage: Stage, name: str) -> Any:
    if stage is Stage.ingestion:
        return here.definitions.source(name)
    if stage is Stage.features:
        return here.definitions.view(name)
    return here.definitions.model(name)


def _intervals(stage: Stage, definition: Any, text: str | None) -> list[Interval]:
    cron = Schedule(definition.monitoring.schedule) if stage is Stage.monitoring else definition.cron
    if text is None:
        message = (
            f"`slipstream run {stage.value}` wants --interval, for example --interval {definition.start:%Y-%m-%d}."
        )
        raise DefinitionError(message)
    start, slash, end = text.partition("/")
    if not slash:
        return [cron.interval_at(utc(start))]
    wanted = Interval(utc(start), utc(end))
    found = list(cron.intervals(wanted.start, wanted.end))
    if found[0].start != wanted.start or found[-1].end != wanted.end:
        near = f"{iso(found[0].start)}/{iso(found[-1].end)}"
        message = f"{wanted} does not fall on the schedule {cron.cron!r} of {definition.name!r}; the nearest is {near}."
        raise DefinitionError(message)
    return found


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

    return decide(model, as_of=moment, **here.source).as_dict()
