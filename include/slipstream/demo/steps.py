"""What the demo does, step by step, through the real scheduler."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from slipstream.demo.api import DONE, AirflowApi, wait_until
from slipstream.errors import FatalError
from slipstream.intervals import Interval, Schedule, iso, utc

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.settings import Settings

APPROVAL = "request_approval"
PATIENCE = 900.0  # seconds for one step


@dataclass(frozen=True)
class Plan:
    """Which days are replayed, and when the models are trained.

    Attributes:
        first_day: First day whose batches are published.
        last_day: Last day whose batches are published, ingested, scored and monitored.
        trainings: The times (UTC) that the trainings stand at: the first makes champions, the others challenge them.
        models: Which models.
    """

    first_day: date = date(2013, 1, 1)
    last_day: date = date(2013, 2, 14)
    trainings: tuple[datetime, ...] = (utc("2013-02-01"), utc("2013-02-15"))
    models: tuple[str, ...] = ("arrival_delay", "air_time")

    @property
    def until(self) -> datetime:
        """The end of the last day, UTC."""
        return utc(self.last_day) + timedelta(days=1)


class Show(Protocol):
    """Where progress goes."""

    def step(self, name: str, total: int | None) -> None: ...
    def advance(self, name: str, done: int) -> None: ...
    def finish(self, name: str, seconds: float) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass
class Demo:
    """One demo at work; ``seconds`` fills with what each stage took."""

    settings: Settings
    definitions: Definitions
    lake: Lake
    api: AirflowApi
    show: Show
    plan: Plan = Plan()
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Ingest, make features, train, promote, score, monitor, and challenge."""
        plan, sources, views = self.plan, list(self.definitions.sources), list(self.definitions.views)
        with self._timed("Airflow reads the DAGs", None):
            self._wait_for_dags(sources, views)
        with self._timed("Ingest", None) as step:
            self._backfill(step, {f"{name}.ingestion": self._arrived(name) for name in sources})
        with self._timed("Make features", None) as step:
            self._backfill(step, self._makeable(views))
        with self._timed("Train and promote the first champions", len(plan.models) * 2) as step:
            self._train(step, plan.trainings[0])
        with self._timed("Score the days after", None) as step:
            self._backfill(step, {f"{each.name}.scoring": self._since(each.cron) for each in self._models()})
        with self._timed("Monitor the days after", None) as step:
            crons = {each.name: Schedule(each.monitoring.schedule) for each in self._models()}
            self._backfill(step, {f"{name}.monitoring": self._since(cron) for name, cron in crons.items()})
        with self._timed("Let the policy decide on the newest window", len(plan.models) * 2) as step:
            self._decide(step, {name: since[-1] for name, cron in crons.items() if (since := self._since(cron))})
        for as_of in plan.trainings[1:]:
            with self._timed("Train and judge a second challenger", len(plan.models) * 2) as step:
                self._train(step, as_of)

    def _decide(self, step: str, newest: dict[str, datetime]) -> None:
        """Watch each model's newest window as if it were today, for a backfill decides nothing; see it trained for."""
        from slipstream.monitoring import retrainings
        from slipstream.promotion import ledger

        runs = {
            name: self.api.trigger(f"{name}.monitoring", {"interval_start": iso(start)})
            for name, start in newest.items()
        }

        def judged(name: str) -> bool:
            rows = retrainings(name, lake=self.lake)
            wanted = next((row for row in reversed(rows) if row.action != "started"), None)
            if wanted is None or wanted.action == "no":
                return True
            started = [row for row in rows if row.key == wanted.key and row.action == "started"]
            later = (row for row in ledger(name, lake=self.lake) if row.as_of == wanted.as_of)
            return bool(started) and any(row.at > started[0].at for row in later)

        def over() -> bool:
            self._approve(list(newest))
            watched = [name for name in newest if self.api.state(f"{name}.monitoring", runs[name]) in DONE]
            done = [name for name in watched if judged(name)]
            self.show.advance(step, len(watched) + len(done))
            stages = ("monitoring", "training", "promotion")
            self._stop_on_failure([f"{name}.{stage}" for name in newest for stage in stages])
            return len(done) == len(newest)

        wait_until(over, what="The decision on the newest window", seconds=PATIENCE)

    def _models(self) -> list[Model]:
        return [self.definitions.model(name) for name in self.plan.models]

    def _since(self, cron: Schedule) -> list[datetime]:
        """Return the starts of the intervals from the first training to the end."""
        return [each.start for each in _intervals(cron, self.plan.trainings[0], self.plan.until, None)]

    @contextmanager
    def _timed(self, name: str, total: int | None) -> Iterator[str]:
        self.show.step(name, total)
        began = time.monotonic()
        yield name
        self.seconds[name] = time.monotonic() - began
        self.show.finish(name, self.seconds[name])

    def _wait_for_dags(self, sources: Collection[str], views: Collection[str]) -> None:
        stages = ("training", "promotion", "scoring", "monitoring")
        wanted = [f"{name}.ingestion" for name in sources] + [f"{name}.features" for name in views]
        wanted += [f"{name}.{stage}" for name in self.plan.models for stage in stages]

        def parsed() -> bool:
            errors = self.api.import_errors()
            if errors:
                message = f"Airflow could not import {len(errors)} DAG file(s):\n" + "\n".join(errors)
                raise FatalError(message)
            return set(wanted) <= self.api.dags()

        wait_until(parsed, what="The parsing of the DAGs", seconds=PATIENCE)
        self.api.unpause(sorted(wanted))

    def _backfill(self, step: str, starts: dict[str, list[datetime]]) -> None:
        starts = {dag: moments for dag, moments in starts.items() if moments}
        before = self.api.count(starts, ("success",))
        total = sum(len(each) for each in starts.values())
        self.show.step(step, total)
        lines = [backfill_line(dag, each[0], each[-1]) for dag, each in starts.items()]
        if before < total:
            run_airflow(self.settings, lines)

        def over() -> bool:
            done = self.api.count(starts, ("success",))
            self.show.advance(step, done)
            self._stop_on_failure(starts)
            return done >= total

        wait_until(over, what=f"The end of {', '.join(starts)}", seconds=PATIENCE)

    def _arrived(self, source: str) -> list[datetime]:
        """Return the starts of the intervals whose batch lies in the landing folder."""
        from slipstream.ingestion import look_for_batch

        definition = self.definitions.source(source)
        intervals = _intervals(definition.cron, definition.start, self.plan.until, definition.end)
        return [each.start for each in intervals if look_for_batch(definition, each, settings=self.settings).ready]

    def _makeable(self, views: Collection[str]) -> dict[str, list[datetime]]:
        """Return, by DAG, the starts of the intervals whose inputs are all in the lake."""
        from slipstream.features import view_inputs

        complete = {f"raw/{name}": set(self.lake.table(f"raw/{name}").intervals()) for name in self.definitions.sources}
        found: dict[str, list[datetime]] = {}
        for name in views:
            view = self.definitions.view(name)
            for interval in _intervals(view.cron, view.start, self.plan.until, view.end):
                needed = view_inputs(view, interval, definitions=self.definitions)
                if all(complete[each.table].issuperset(each.intervals) for each in needed):
                    found.setdefault(f"{name}.features", []).append(interval.start)
        return found

    def _stop_on_failure(self, dag_ids: Collection[str]) -> None:
        if not self.api.count(dag_ids, ("failed",)):
            return
        lines = []
        for run in self.api.runs(dag_ids, ("failed",)):
            tasks = self.api.failed_tasks(run["dag_id"], run["dag_run_id"])
            lines.append(f"  {run['dag_id']} {run['dag_run_id']}: {', '.join(tasks) or 'no task'}")
        message = "These runs failed; their logs are in the Airflow UI:\n" + "\n".join(lines)
        raise FatalError(message)

    def _train(self, step: str, as_of: datetime) -> None:
        """Train each model as of a time, and wait for the promotion run that its challenger starts."""
        from slipstream.promotion import ledger

        runs, pending = {}, []
        for name in self.plan.models:
            if any(row.as_of == as_of for row in ledger(name, lake=self.lake)):
                continue
            pending.append(name)
            runs[name] = self.api.trigger(f"{name}.training", {"as_of": iso(as_of), "reason": "the demo"})
        skipped = 2 * (len(self.plan.models) - len(pending))

        def over() -> bool:
            self._approve(pending)
            trained = [name for name in pending if self.api.state(f"{name}.training", runs[name]) in DONE]
            judged = [n for n in pending if any(row.as_of == as_of for row in ledger(n, lake=self.lake))]
            self.show.advance(step, skipped + len(trained) + len(judged))
            self._stop_on_failure(
                [f"{name}.{stage}" for name in self.plan.models for stage in ("training", "promotion")]
            )
            return len(trained) == len(judged) == len(pending)

        wait_until(over, what=f"The verdict on the challengers of {iso(as_of)}", seconds=PATIENCE)

    def _approve(self, models: Collection[str]) -> None:
        """Say yes, as the demo's user, wherever one of these models waits for a person's answer."""
        for name in models:
            if not self.definitions.model(name).approval.required:
                continue
            for run_id in self.api.waiting(f"{name}.promotion", APPROVAL):
                self.api.answer(f"{name}.promotion", run_id, APPROVAL, "Approve")
                self.show.note(f"{name} wants an approval; the demo says yes as {self.api.user}")


def backfill_line(dag_id: str, first: datetime, last: datetime) -> list[str]:
    """Return the ``airflow`` command line that backfills ``dag_id`` from ``first`` to ``last``, both included."""
    dates = ["--from-date", f"{first:%Y-%m-%d}", "--to-date", f"{last:%Y-%m-%d}"]
    return ["backfill", "create", "--dag-id", dag_id, *dates, "--max-active-runs", "8"]


def run_airflow(settings: Settings, lines: Sequence[Sequence[str]]) -> None:
    """Run ``airflow`` command lines against the running stack, in one process.

    Raises:
        FatalError: One of them failed; the message holds what it printed.
    """
    from slipstream.services import airflow_command

    _, environment = airflow_command(settings)
    done = subprocess.run(
        [sys.executable, "-m", "slipstream.demo.backfills"],
        input=json.dumps([list(line) for line in lines]),
        env=environment,
        cwd=settings.project,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        listed = "\n".join("  airflow " + " ".join(line) for line in lines)
        message = f"One of these failed:\n{listed}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        raise FatalError(message)


def _intervals(cron: Schedule, first: datetime, until: datetime, end: datetime | None) -> list[Interval]:
    found = cron.intervals(first, min(until, end or until))
    return [each for each in found if each.start >= first and each.end <= until]
