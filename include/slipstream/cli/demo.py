"""``slipstream demo``: publish, start, and run the whole loop; then say what happened."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stdout
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from slipstream.cli.common import AsJson, console, print_json, print_table, project
from slipstream.cli.verdict import print_verdict


def demo(*, as_json: AsJson = False) -> None:
    """Run the life of two models on six weeks of real flights, through a real Airflow; the services stay up."""
    from slipstream import services
    from slipstream.cli.services import up
    from slipstream.demo.api import AirflowApi
    from slipstream.demo.steps import Demo, Plan
    from slipstream.demo.summary import summary

    here, plan = project(), Plan()
    passwords = services.Places(here.settings.home).passwords
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        with Bars() as bars:
            _publish(here.settings, plan, bars)
        up()
        state = services.state(here.settings)
        with AirflowApi(state.airflow_url, user="admin", passwords=passwords) as api, Bars() as bars:
            work = Demo(here.settings, here.definitions, here.lake, api, bars, plan)
            work.run()
    found = summary(
        definitions=here.definitions,
        lake=here.lake,
        settings=here.settings,
        seconds=work.seconds,
        models=plan.models,
    )
    if as_json:
        print_json(found)
        return
    _print(found)
    console.print()
    console.print(f"Open {state.airflow_url} as admin; the password is in {passwords}. Stop with `make down`.")


def _publish(settings: Any, plan: Any, bars: Bars) -> None:
    from slipstream.example import publish

    bars.step("Publish", None)
    done = publish(plan.first_day, plan.last_day, settings=settings)
    bars.finish("Publish", 0.0, f"{done.files} files in {done.landing}")


def _print(found: Mapping[str, Any]) -> None:
    console.print()
    print_table("Rows", found["rows"], empty="")
    print_table("Intervals", [{"table": name, "complete": n} for name, n in found["intervals"].items()], empty="")
    print_table("Versions", found["versions"], empty="")
    short = [{name: value for name, value in row.items() if name != "because"} for row in found["verdicts"]]
    print_table("Verdicts of the gate", short, empty="")
    short = [{name: row[name] for name in row if name not in ("alarm", "decisions")} for row in found["drift"]]
    print_table("Drift", short, empty="")
    print_table("Time", [{"stage": name, "seconds": value} for name, value in found["seconds"].items()], empty="")
    for each in found["last_verdicts"]:
        console.print()
        print_verdict(each)
    console.print()
    for each in found["drift"]:
        console.print(_alarm(each), highlight=False)


def _alarm(drift: Mapping[str, Any]) -> str:
    """Say in a line how a model's alarms ended, and what the policy decided."""
    model, alarm = drift["model"], drift["alarm"]
    decided = f" The policy: {drift['decisions'][-1]['reason']}" if drift["decisions"] else ""
    if alarm is None:
        return f"{model}: no alarm, none found in {drift['windows']} window(s).{decided}"
    state = "open" if alarm["open"] else "over"
    kinds, since = ", ".join(alarm["alarms"]), alarm["since"].removesuffix("T00:00:00Z")
    return f"{model}: alarm for {kinds}, {state}, since {since}; {alarm['came_of_it']}.{decided}"


class Bars:
    """One progress bar a step; on plain output a line when a step begins and ends."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, name: str, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
            if not console.is_terminal:
                console.print(f"{name} …")
        elif total is not None:
            self._progress.update(self._tasks[name], total=total)

    def advance(self, name: str, done: int) -> None:
        self._progress.update(self._tasks[name], completed=done)

    def note(self, text: str) -> None:
        """Print a line between the bars."""
        self._progress.console.print(f"  {text}", highlight=False)

    def finish(self, name: str, seconds: float, note: str = "") -> None:
        task = next(each for each in self._progress.tasks if each.id == self._tasks[name])
        total = task.total or 1
        self._progress.update(self._tasks[name], total=total, completed=total)
        if not console.is_terminal:
            console.print(f"{name}: done" + (f" in {seconds:.0f} s" if seconds else "") + (f"; {note}" if note else ""))
