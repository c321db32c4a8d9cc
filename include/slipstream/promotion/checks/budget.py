"""What does the challenger cost to run? Scoring time and size, measured on the spot."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from slipstream.promotion.gate import CheckResult, Evidence, register_check

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import BudgetCheck
    from slipstream.promotion.loading import LoadedModel

MIN_SECONDS = 0.005  # below this a ratio of times is one of noise


@register_check("budget")
def budget(evidence: Evidence, settings: BudgetCheck) -> CheckResult:
    """Hold the time to score 1,000 rows, and the size of the file, against limits and ratios to the champion's.

    The median of repeated runs, the versions taking turns so that a busy moment hits both. Times are the one thing in
    a verdict that another run does not repeat exactly; memory is not measured.
    """
    if evidence.load is None:
        return CheckResult("budget", "undecided", "There is no registry to load the versions from.")
    names = {"challenger": evidence.comparison.challenger, "champion": evidence.comparison.champion}
    versions = {role: evidence.load(version) for role, version in names.items() if version is not None}
    if "champion" not in versions and settings.max_seconds is None and settings.max_megabytes is None:
        return CheckResult("budget", "not_applicable", "There is no champion yet to compare with, nor a limit.")
    seconds = _seconds(evidence.rows.slice(0, 1000), versions, repeats=settings.repeats)
    sizes = {role: version.size / 1e6 for role, version in versions.items()}
    numbers: dict[str, Any] = {"seconds": seconds, "megabytes": sizes, "repeats": settings.repeats}
    faults = [
        *_beyond("scoring 1,000 rows takes", "s", seconds, settings.max_seconds, settings.max_time_ratio, MIN_SECONDS),
        *_beyond("the model's file has", "MB", sizes, settings.max_megabytes, settings.max_size_ratio, 0.001),
    ]
    text = f"Scoring 1,000 rows takes {seconds['challenger']:.3f} s, and the file has {sizes['challenger']:.2f} MB"
    if "champion" in versions:
        text += f"; the champion takes {seconds['champion']:.3f} s and has {sizes['champion']:.2f} MB"
    sentence = f"{text}: {'; '.join(faults) or 'within the limits'}."
    return CheckResult("budget", "failed" if faults else "passed", sentence, numbers)


def _seconds(rows: pa.Table, versions: dict[str, LoadedModel], *, repeats: int) -> dict[str, float]:
    """Return each version's median time to score 1,000 rows, after one run to warm up."""
    taken: dict[str, list[float]] = {role: [] for role in versions}
    for turn in range(repeats + 1):
        for role, version in versions.items():
            begin = time.perf_counter()
            version.score(rows)
            taken[role] += [time.perf_counter() - begin] if turn else []
    return {role: statistics.median(found) * 1000 / max(rows.num_rows, 1) for role, found in taken.items()}


def _beyond(
    what: str, unit: str, found: dict[str, float], limit: float | None, ratio: float, least: float
) -> list[str]:
    """Return in words where the challenger is beyond the limit or the ratio; less than ``least`` is as good as it."""
    ours, theirs, faults = found["challenger"], found.get("champion"), []
    if limit is not None and ours > limit:
        faults.append(f"{what} more than {limit:g} {unit}")
    if theirs is not None and max(ours, least) > ratio * max(theirs, least):
        faults.append(f"{what} {ours / max(theirs, least):.1f} times the champion's, more than {ratio:g}")
    return faults
