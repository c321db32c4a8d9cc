"""``slipstream stale`` and ``slipstream gaps``: what should be made again, what was never made, and what to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, print_json, print_table, project, short_interval
from slipstream.intervals import Interval, utc

if TYPE_CHECKING:
    from slipstream.freshness import Backfill, Gap, Reason, Stale


def stale(*, as_json: AsJson = False) -> None:
    """List what was made from what has changed since, why, and the backfills that mend it, in order."""
    from slipstream.freshness import find_stale, plan_backfills

    here = project()
    found = find_stale(definitions=here.definitions, lake=here.lake)
    lines = plan_backfills(((each.table, each.interval) for each in found), definitions=here.definitions)
    if as_json:
        print_json({"stale": [each.as_dict() for each in found], "backfills": [line.as_dict() for line in lines]})
        return
    rows = _rows((each.table, each.interval, _why(each)) for each in found)
    print_table("Stale", rows, empty="Nothing is stale: all was made from what is there now.")
    if lines:
        _print_lines(lines, "To mend it, run these, each block when the one before has ended:")
    if any(each.table.startswith("predictions/") for each in found):
        console.print(
            "Scoring uses today's champion, also for past days. Predictions of days that it was trained on are marked "
            "in_sample.",
        )


def gaps(
    *,
    until: Annotated[
        str | None,
        typer.Option(help="Look at all that is due by this time (UTC). Without: by now, as far as there is data."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Only intervals that start at or after this time (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List intervals that should be complete by now and are not, why, and the backfills that fill them."""
    from datetime import UTC, datetime

    from slipstream.freshness import find_gaps, plan_backfills

    here = project()
    found = find_gaps(
        definitions=here.definitions,
        lake=here.lake,
        settings=here.settings,
        now=datetime.now(UTC),
        until=utc(until) if until else None,
        since=utc(since) if since else None,
    )
    fillable = [(each.table, each.interval) for each in found if each.fillable]
    lines = plan_backfills(fillable, definitions=here.definitions)
    if as_json:
        print_json({"gaps": [each.as_dict() for each in found], "backfills": [line.as_dict() for line in lines]})
        return
    rows = _rows((each.table, each.interval, _what_lacks(each)) for each in found)
    print_table("Gaps", rows, empty="No gaps: all that is due is complete.")
    if lines:
        _print_lines(lines, "These fill them; they wait for each other, so all may be started at once:")


def _why(found: Stale) -> dict[tuple[str, str], set[Interval]]:
    """Return what is wrong, as a sentence with a gap for the intervals of the table that it names."""
    return {
        _sentence(reason): set(reason.intervals)
        for reason in found.reasons
        if reason.kind != "upstream" or not found.already
    }


def _sentence(reason: Reason) -> tuple[str, str]:
    if reason.kind == "definition":
        return "its definition changed", ""
    if reason.kind == "unrecorded":
        return f"nobody recorded what it read{f' of {reason.table}' if reason.table else ''}", ""
    if reason.kind == "upstream":
        return f"will be stale once {reason.table}", " is mended"
    return str(reason.table), " changed after it was read"


def _what_lacks(gap: Gap) -> dict[tuple[str, str], set[Interval]]:
    if gap.cause == "not_run":
        return {("all that it wants is there; nobody ran it", ""): set()}
    if gap.cause == "not_arrived":
        return {("its batch has not arrived", ""): set()}
    tail = ", which nobody ran" if gap.fillable else ""
    return {(f"waits for {each.table}", tail): set(each.intervals) for each in gap.missing}


def _days(intervals: Iterable[Interval]) -> str:
    """Name the first stretch without a hole, and how many intervals come after it."""
    from slipstream.freshness.backfills import spans

    (first, _), *others = spans(intervals)
    more = sum(each for _, each in others)
    last = f" and {more} more up to {short_interval(str(others[-1][0]))}" if others else ""
    return f" {short_interval(str(first))}{last}"


def _rows(found: Iterable[tuple[str, Interval, dict[tuple[str, str], set[Interval]]]]) -> list[dict[str, Any]]:
    """Return a row for each stretch of one table that has the same reasons."""
    groups: list[tuple[str, Interval, int, dict[tuple[str, str], set[Interval]]]] = []
    for table, interval, why in found:
        if groups:
            last, span, number, reasons = groups[-1]
            if (last, reasons.keys(), span.end) == (table, why.keys(), interval.start):
                both = {sentence: reasons[sentence] | why[sentence] for sentence in why}
                groups[-1] = (table, Interval(span.start, interval.end), number + 1, both)
                continue
        groups.append((table, interval, 1, why))
    return [
        {
            "table": table,
            "interval": str(span),
            "intervals": number,
            "why": "; ".join(f"{head}{_days(days) if days else ''}{tail}" for (head, tail), days in why.items()),
        }
        for table, span, number, why in groups
    ]


def _print_lines(lines: Sequence[Backfill], title: str) -> None:
    """Print the lines with an empty one between those of one step and of the next."""
    console.print(f"\n{title}")
    step = lines[0].step
    for line in lines:
        if line.step != step:
            console.print()
            step = line.step
        console.print(line.command, markup=False, highlight=False)
    if len({line.table for line in lines}) < len(lines):
        console.print("\nAirflow runs one backfill of a DAG at a time: its next line can start when that has ended.")
