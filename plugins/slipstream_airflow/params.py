"""The forms that a person sees when starting a run by hand; a value that does not fit is refused."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

TIME: dict[str, Any] = {"type": ["null", "string"], "format": "date-time"}


def interval_form() -> dict[str, Param]:
    """Ask which interval a run by hand is for."""
    return {
        "interval_start": Param(
            None,
            title="Start of the interval (UTC)",
            description="The interval to write again. Empty: the one of the logical date, or the newest that is due.",
            **TIME,
        )
    }


def training_form() -> dict[str, Param]:
    """Ask as known at what time a model is to be trained, and why."""
    return {
        "as_of": Param(
            None,
            title="As known at (UTC)",
            description="Nothing that became known later is used. Empty: what the schedule or the signal says, or now.",
            **TIME,
        ),
        "reason": Param(
            "",
            type="string",
            maxLength=500,
            title="Reason",
            description="Why this training was started by hand; it is kept with the run.",
        ),
    }


def promotion_form() -> dict[str, Param]:
    """Ask which version is to be compared with the champion, and on rows of what time."""
    return {
        "challenger": _version("The version to compare. Empty: the one that the registry calls challenger."),
        "as_of": Param(
            None,
            title="As known at (UTC)",
            description="The newest rows whose labels are known at this time decide. Empty: the time of its training.",
            **TIME,
        ),
    }


def monitoring_form() -> dict[str, Param]:
    """Ask for the interval, and whether a backfill may signal."""
    return {
        **interval_form(),
        "signal_in_backfill": Param(
            False,
            type="boolean",
            title="May a backfill signal?",
            description="A backfill judges the past, so it never starts a training unless this is set.",
        ),
    }


def rollback_form() -> dict[str, Param]:
    """Ask which version is to be champion again, and why."""
    return {
        "version": _version("The version to restore. Empty: the champion before the present one."),
        "reason": Param(
            type="string",
            minLength=10,
            maxLength=500,
            title="Reason",
            description="Why, in a sentence; it goes to the ledger.",
        ),
    }


def _version(description: str) -> Param:
    return Param(None, type=["null", "string"], pattern="^[0-9]+$", title="Version", description=description)
