"""Thirty days of the whole chain, backfilled twice through a real scheduler that is disturbed both times.

The second time every run that ended well is run again. Nothing may come of that: no other row, no training, no
promotion. `make test-soak` runs it; it takes some minutes, so `make test` leaves it out.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from slipstream import promotion, services
from slipstream.definitions import Definitions, Source, load_definitions
from slipstream.demo.api import AirflowApi, wait_until
from slipstream.demo.steps import run_airflow
from slipstream.example import publish
from slipstream.intervals import iso, utc
from slipstream.lake import Lake

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(3600)]

MODEL = "arrival_delay"
FIRST, TRAINED, LAST = date(2013, 1, 1), date(2013, 1, 16), date(2013, 1, 30)
PATIENCE = 1800.0  # seconds for one step, on a machine that others use too

Digests = dict[str, dict[str, str]]


@dataclass
class Chain:
    """The stack with its lake, and what the two rounds left behind."""

    stack: Any
    api: AirflowApi
    definitions: Definitions
    lake: Lake
    rounds: list[Digests] = field(default_factory=list)
    versions: list[dict[str, int | None]] = field(default_factory=list)
    decided: list[int] = field(default_factory=list)
    trainings: list[int] = field(default_factory=list)

    @property
    def sources(self) -> list[Source]:
        """Those that have begun by the last day."""
        return [source for source in self.definitions.sources.values() if source.start.date() <= LAST]

    def backfill(self, spans: dict[str, tuple[date, date]], *, again: bool, meanwhile: Sequence[Any] = ()) -> None:
        """Backfill DAGs side by side, and wait for the end of it."""
        before = {dag: len(self.backfills(dag)) for dag in spans}
        lines = [line(dag, first, last, again=again) for dag, (first, last) in spans.items()]
        run_airflow(self.stack.settings, lines)
        for action in meanwhile:
            action()

        def over() -> bool:
            found = {dag: self.backfills(dag) for dag in spans}
            return all(len(each) > before[dag] and all(b["completed_at"] for b in each) for dag, each in found.items())

        wait_until(over, what=f"The end of the backfills of {', '.join(spans)}", seconds=PATIENCE)
        states = Counter(run["state"] for run in self.api.runs(list(spans)))
        assert set(states) == {"success"}, states

    def backfills(self, dag: str) -> list[dict[str, Any]]:
        return list(self.api.get("/backfills", dag_id=dag)["backfills"])

    def restart_the_scheduler(self) -> None:
        """Kill the scheduler at work, as a machine that loses its power does, and bring it back."""
        at_work = [f"{name}.features" for name in self.definitions.views]
        wait_until(lambda: self.api.count(at_work, ("running",)) > 0, what="Work to interrupt", seconds=PATIENCE)
        scheduler = next(each for each in services.state(self.stack.settings).services if each.name == "scheduler")
        assert scheduler.pid
        os.kill(scheduler.pid, signal.SIGKILL)
        wait_until(lambda: not services.state(self.stack.settings).running, what="The scheduler's end", seconds=30)
        assert services.start(self.stack.settings).started == ("scheduler",)

    def remember(self) -> None:
        """Keep what a round left in the lake, the ledger and the registry."""
        self.rounds.append({name: digests(self.lake, name) for name in self.lake.tables()})
        self.versions.append({name: self.lake.table(name).version() for name in self.lake.tables()})
        self.decided.append(len(promotion.ledger(MODEL, lake=self.lake)))
        self.trainings.append(len(self.api.runs([f"{MODEL}.training"])))


def line(dag: str, first: date, last: date, *, again: bool) -> list[str]:
    words = ["backfill", "create", "--dag-id", dag, "--from-date", f"{first}", "--to-date", f"{last}"]
    words += ["--max-active-runs", "4"]
    return [*words, "--reprocess-behavior", "completed"] if again else words


def digests(lake: Lake, name: str) -> dict[str, str]:
    live = set(lake.table(name).intervals())
    found: dict[str, str] = {}
    for commit in lake.table(name).commits():
        if commit.interval in live:
            found.setdefault(str(commit.interval), commit.digest)
    return found


@pytest.fixture(scope="module")
def chain(stack: Any, kill_a_task: Callable[[], Any]) -> Iterator[Chain]:
    """Both rounds: in each a task is killed and the scheduler is killed and brought back."""
    publish(FIRST, LAST, settings=stack.settings)
    passwords = stack.settings.home / "airflow" / "simple_auth_manager_passwords.json.generated"
    with AirflowApi(stack.airflow_url, user="admin", passwords=passwords) as api:
        definitions = load_definitions(stack.settings.definitions)
        made = Chain(stack, api, definitions, Lake.from_settings(stack.settings))
        days = {"planes": (date(2012, 1, 1),) * 2, "aircraft": (date(2012, 1, 1),) * 2}
        eve = {name: (FIRST - timedelta(days=1), LAST) for name in ("schedules", "flight_schedule")}
        sources = [each.name for each in made.sources]
        data = {f"{name}.ingestion": days.get(name) or eve.get(name) or (FIRST, LAST) for name in sources}
        data |= {f"{name}.features": days.get(name) or eve.get(name) or (FIRST, LAST) for name in definitions.views}
        stages = ("training", "promotion", "scoring", "monitoring")
        wanted = [*data, *(f"{MODEL}.{stage}" for stage in stages)]
        wait_until(lambda: set(wanted) <= api.dags(), what="The parsing of the DAGs", seconds=PATIENCE)
        api.unpause(wanted)
        scored, watched = ({f"{MODEL}.{stage}": (TRAINED, LAST)} for stage in ("scoring", "monitoring"))
        for again in (False, True):
            with kill_a_task() as killed:
                killing = partial(wait_until, killed, what="A task to kill", seconds=PATIENCE)
                made.backfill(data, again=again, meanwhile=(killing, made.restart_the_scheduler))
            if not again:
                crown(made)
            made.backfill(scored, again=again)
            made.backfill(watched, again=again)
            made.remember()
        yield made


def crown(chain: Chain) -> None:
    """Train the first champion, and wait for its promotion."""
    chain.api.trigger(f"{MODEL}.training", {"as_of": iso(utc(TRAINED)), "reason": "the first champion"})
    wait_until(lambda: bool(promotion.ledger(MODEL, lake=chain.lake)), what="The first verdict", seconds=PATIENCE)
    (row,) = promotion.ledger(MODEL, lake=chain.lake)
    assert row.action == "promoted", row.reason


def test_thirty_days_of_every_stage_are_there(chain: Chain) -> None:
    found = {name: len(intervals) for name, intervals in chain.rounds[0].items()}
    assert found["raw/movements"] == found["raw/weather"] == found["features/carrier_delays"] == 30
    assert found["raw/schedules"] == found["features/flight_schedule"] == 31
    assert found[f"predictions/{MODEL}"] == found[f"monitoring/{MODEL}"] == 15


def test_the_second_backfill_changes_no_digest_and_makes_no_version(chain: Chain) -> None:
    assert chain.rounds[1] == chain.rounds[0]
    assert chain.versions[1] == chain.versions[0]


def test_nothing_was_trained_or_promoted_because_of_a_backfill(chain: Chain) -> None:
    assert chain.trainings == [1, 1]
    assert chain.decided == [1, 1]
    champion = promotion.champion(MODEL, lake=chain.lake)
    assert champion is not None
    assert champion.seq == 1
    assert promotion.Registry.from_settings(chain.stack.settings).versions(MODEL) == [champion.version]


def test_no_row_is_there_twice(chain: Chain) -> None:
    keys = {each.table: list(each.key) for each in chain.sources}
    keys |= {each.table: [*each.entity, "event_time", "known_at"] for each in chain.definitions.views.values()}
    keys[f"predictions/{MODEL}"] = [*chain.definitions.model(MODEL).key, "prediction_time"]
    for name, key in keys.items():
        rows = chain.lake.table(name).read(columns=["interval_start", *key])
        assert rows.num_rows > 0
        assert rows.group_by(rows.column_names).aggregate([]).num_rows == rows.num_rows, name


def test_every_row_is_what_its_commit_says(chain: Chain) -> None:
    found = [each for name in chain.lake.tables() for each in chain.lake.table(name).verify()]
    assert len(found) > 200
    assert all(each.ok for each in found)
