"""``slipstream status``: what runs, and how far everything is."""

from __future__ import annotations

from typing import Any

from slipstream.cli.common import AsJson, Project, console, print_json, print_table, project


def status(*, as_json: AsJson = False) -> None:
    """Show the services, how far each source, view and model is, and who is champion."""
    from slipstream import services
    from slipstream.cli.services import services_table

    here = project()
    state = services.state(here.settings)
    found = {
        "sources": [_written(here, each.name, each.table) for each in here.definitions.sources.values()],
        "views": [_written(here, each.name, each.table) for each in here.definitions.views.values()],
        "models": [_model(here, each) for each in here.definitions.models.values()],
    }
    if as_json:
        print_json({"environment": here.settings.environment, "services": state.as_dict(), **found})
        return
    console.print(f"Environment: {here.settings.environment}", highlight=False)
    console.print(services_table(state))
    for title, rows in found.items():
        console.print()
        print_table(
            title.capitalize(),
            [_in_short(row) for row in rows],
            empty=f"No {title} are defined. `slipstream new` writes one.",
        )


def _in_short(row: dict[str, Any]) -> dict[str, Any]:
    """Say the last alarm in a few words, such as ``drift: since 2013-02-15, not retrained``; JSON keeps all of it."""
    alarm = row.get("last_alarm")
    if alarm is None:
        return row
    since, until = (alarm[name].removesuffix("T00:00:00Z") for name in ("since", "at"))
    when = f"since {since}" if alarm["open"] else f"{since} to {until}"
    return {**row, "last_alarm": f"{', '.join(alarm['alarms'])}: {when}, {alarm['came_of_it']}"}


def _written(here: Project, name: str, table: str) -> dict[str, Any]:
    intervals = here.lake.table(table).intervals()
    return {
        "name": name,
        "intervals": len(intervals),
        "latest_interval": str(intervals[-1]) if intervals else None,
    }


def _model(here: Project, model: Any) -> dict[str, Any]:
    from slipstream import monitoring, promotion

    row = promotion.champion(model, lake=here.lake)
    verdicts = [each for each in promotion.ledger(model, lake=here.lake) if each.verdict]
    last = verdicts[-1] if verdicts else None
    outcome = last.verdict["outcome"] if last and last.verdict else None
    alarm = monitoring.last_alarm(model, lake=here.lake)
    return {
        **_written(here, model.name, model.table),
        "champion": row.version if row else None,
        "last_verdict": outcome,
        "last_verdict_version": last.challenger if last else None,
        "last_alarm": alarm.as_dict() if alarm else None,
    }
