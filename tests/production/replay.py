"""The example's days, twice: by the library alone, undisturbed, and through the production services."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from native import WORKERS, Native, wait

from slipstream.definitions import Definitions
from slipstream.demo.api import AirflowApi
from slipstream.errors import SlipstreamError
from slipstream.features import Needed, materialise, missing_inputs, view_inputs
from slipstream.ingestion import ingest, look_for_batch
from slipstream.intervals import Interval, Schedule, iso, utc
from slipstream.lake import Lake, Run, digest_rows
from slipstream.monitoring import monitor
from slipstream.promotion import decide, promote
from slipstream.scoring import score
from slipstream.settings import Settings
from slipstream.training import train

MODEL = "arrival_delay"
FIRST, LAST = date(2013, 1, 1), date(2013, 1, 13)
AS_OF = utc("2013-01-12")
UNTIL = utc(LAST) + timedelta(days=1)
PATIENCE = 900.0

# What is another value each time that a model is trained, though all else is equal.
NEW_EACH_TIME = {f"predictions/{MODEL}": ["model_run_id"]}


@dataclass(frozen=True)
class Days:
    """The definitions' intervals of the example's days."""

    definitions: Definitions

    def source(self, name: str) -> list[Interval]:
        source = self.definitions.source(name)
        return _within(source.cron, source.start, source.end)

    def view(self, name: str, lake: Lake) -> list[Interval]:
        """Return the intervals of a view whose inputs are in the lake."""
        view = self.definitions.view(name)
        found = _within(view.cron, view.start, view.end)
        return [each for each in found if not missing_inputs(lake, self._needed(name, each))]

    def _needed(self, name: str, interval: Interval) -> list[Needed]:
        return view_inputs(self.definitions.view(name), interval, definitions=self.definitions)

    def scored(self) -> list[Interval]:
        return [each for each in _within(self.definitions.model(MODEL).cron, AS_OF, None) if each.start >= AS_OF]

    def monitored(self) -> list[Interval]:
        cron = Schedule(self.definitions.model(MODEL).monitoring.schedule)
        return [each for each in _within(cron, AS_OF, None) if each.start >= AS_OF]


def _within(cron: Schedule, first: datetime, end: datetime | None) -> list[Interval]:
    return [each for each in cron.intervals(first, min(UNTIL, end or UNTIL)) if each.end <= UNTIL]


def undisturbed(definitions: Definitions, settings: Settings) -> Lake:
    """Make everything with the library's own calls, in the lake of ``settings``, and return it."""
    lake, run, days = Lake.from_settings(settings), Run.local(), Days(definitions)
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings, "run": run}
    for name, definition in definitions.sources.items():
        for interval in days.source(name):
            if look_for_batch(definition, interval, settings=settings).ready:
                ingest(definition, interval, lake=lake, settings=settings, run=run)
    for name, view in definitions.views.items():
        for interval in days.view(name, lake):
            materialise(view, interval, **source)
    model = definitions.model(MODEL)
    train(model, AS_OF, **source)
    verdict = decide(model, definitions=definitions, lake=lake, settings=settings)
    promote(model, verdict, lake=lake, settings=settings, run=run)
    for interval in days.scored():
        score(model, interval, **source)
    for interval in days.monitored():
        monitor(model, interval, **source)
    return lake


def digests(lake: Lake, name: str) -> dict[str, str]:
    """Return the digest of every interval of a table, by interval."""
    table, found = lake.table(name), {}
    for interval in table.intervals() if table.exists() else ():
        commit = table.commit_of(interval)
        assert commit is not None
        found[str(interval)] = commit.digest
        if name in NEW_EACH_TIME:
            rows = table.read(interval.start, interval.end)
            found[str(interval)] = str(digest_rows(rows.drop_columns(NEW_EACH_TIME[name])))
    return found


@dataclass
class Replay:
    """The same through Airflow: starts runs, and waits until every one of them has ended well.

    Attributes:
        reference: The lake of the undisturbed run.
        alone: The settings of the undisturbed run.
    """

    native: Native
    api: AirflowApi
    definitions: Definitions
    lake: Lake
    reference: Lake
    alone: Settings

    @property
    def days(self) -> Days:
        return Days(self.definitions)

    def backfill(self, wanted: dict[str, Sequence[Interval]]) -> Work:
        """Start the backfill of each DAG over its intervals, which follow one another."""
        wanted = {dag: each for dag, each in wanted.items() if each}
        work = Work(self, {dag: len(each) for dag, each in wanted.items()})
        for dag, intervals in wanted.items():
            body = {
                "dag_id": dag,
                "from_date": iso(intervals[0].start),
                "to_date": iso(intervals[-1].start),
                "max_active_runs": 8,
            }
            wait(lambda body=body: bool(self.api.post("/backfills", body)), 120, f"the start of the backfill of {dag}")
        return work

    def rescore(self, interval: Interval) -> Work:
        """Score an interval by hand, once more."""
        dag = f"{MODEL}.scoring"
        work = Work(self, {dag: 1})
        self.api.trigger(dag, {"interval_start": iso(interval.start)})
        return work

    def train(self) -> Work:
        work = Work(self, {f"{MODEL}.training": 1, f"{MODEL}.promotion": 1})
        self.api.trigger(f"{MODEL}.training", {"as_of": iso(AS_OF), "reason": "the production suite"})
        return work

    def differing(self, *kinds: str) -> list[str]:
        """Return which intervals of the tables of these kinds are not what the undisturbed run made of them."""
        names = [name for name in self.reference.tables() if name.split("/")[0] in kinds]
        assert names, f"the undisturbed run made no table of {kinds}"
        wrong = []
        for name in names:
            mine, theirs = digests(self.lake, name), digests(self.reference, name)
            wrong += [f"{name} {each}" for each in mine.keys() | theirs.keys() if mine.get(each) != theirs.get(each)]
        return sorted(wrong)


@dataclass
class Work:
    """Runs that are about to start: so many of each DAG."""

    replay: Replay
    runs: dict[str, int]

    def __post_init__(self) -> None:
        self._before = {dag: self._count("success", dag) for dag in self.runs}

    def await_middle(self) -> None:
        """Wait until some runs have ended, others have not, and tasks are at work."""
        wait(self._in_the_middle, PATIENCE, "the middle of the runs", every=0.2)

    def await_task(self, task: str) -> None:
        """Wait until a task of this name runs."""
        wait(lambda: "running" in self.states(task), PATIENCE, f"the start of {task}", every=0.1)

    def await_end(self) -> None:
        """Wait until every run has succeeded; AssertionError with the tasks at fault where one failed."""
        wait(self._over, PATIENCE, f"the end of {self.runs}")
        failed = self._failed()
        assert not failed, f"these runs failed: {failed}"

    def tries(self) -> int:
        """Return the highest number of tries that a task took."""
        return max(task["try_number"] for task in self._tasks())

    def states(self, task: str) -> set[str]:
        """Return the states of the tasks of this name."""
        return {each["state"] for each in self._tasks() if each["task_id"] == task}

    def _tasks(self) -> list[dict[str, Any]]:
        api = self.replay.api
        runs = [f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}" for run in api.runs(list(self.runs))]
        return [task for run in runs for task in api.get(f"{run}/taskInstances", limit=100)["task_instances"]]

    def _ended(self) -> dict[str, int]:
        return {dag: self._count("success", dag) - before for dag, before in self._before.items()}

    def _in_the_middle(self) -> bool:
        at_work = any(self.replay.native.tasks_of(name) for name in WORKERS)
        return at_work and 0 < sum(self._ended().values()) < sum(self.runs.values())

    def _over(self) -> bool:
        return self._count("failed") > 0 or self._ended() == self.runs

    def _count(self, state: str, *dags: str) -> int:
        return self.replay.api.count(dags or list(self.runs), (state,))

    def _failed(self) -> list[str]:
        api = self.replay.api
        with suppress(SlipstreamError):
            return [
                f"{run['dag_id']} {run['dag_run_id']}: {api.failed_tasks(run['dag_id'], run['dag_run_id'])}"
                for run in api.runs(list(self.runs), ("failed",))
            ]
        return ["unknown: the API does not answer"]
