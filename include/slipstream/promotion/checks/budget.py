"""What does the challenger cost to run? Scoring time, memory and size, measured on the spot."""

from __future__ import annotations

import copy
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from slipstream.promotion.gate import CheckResult, Evidence, register_check

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import BudgetCheck
    from slipstream.promotion.loading import LoadedModel

# Below these a ratio is one of noise, or of things that nobody pays for.
MIN_SECONDS, MIN_PEAK, MIN_SIZE = 0.005, 1.0, 0.001


@register_check("budget")
def budget(evidence: Evidence, settings: BudgetCheck) -> CheckResult:
    """Hold time and memory to score 1,000 rows, and the size of the file, against limits and ratios to the champion's.

    The time is that of the fastest of repeated runs, for a busy moment only ever adds; it is the one thing in a verdict
    that another run does not repeat. Memory is the peak of what Python and NumPy allocate while a
    copy of the version is made, as loading it would, and scores; a new process would show more, but of the libraries.
    """
    if evidence.load is None:
        return CheckResult("budget", "undecided", "There is no registry to load the versions from.")
    names = {"challenger": evidence.comparison.challenger, "champion": evidence.comparison.champion}
    versions = {role: evidence.load(version) for role, version in names.items() if version is not None}
    limits = (settings.max_seconds, settings.max_peak_megabytes, settings.max_megabytes)
    if "champion" not in versions and limits == (None, None, None):
        return CheckResult("budget", "not_applicable", "There is no champion yet to compare with, nor a limit.")
    rows = evidence.rows.slice(0, 1000)
    seconds = _seconds(rows, versions, repeats=settings.repeats)
    peaks = {role: _peak(rows, version) for role, version in versions.items()}
    sizes = {role: version.size / 1e6 for role, version in versions.items()}
    numbers: dict[str, Any] = {"seconds": seconds, "peak_megabytes": peaks, "megabytes": sizes}
    numbers |= {"repeats": settings.repeats, "rows": rows.num_rows}
    faults = [
        *_beyond("scoring 1,000 rows takes", "s", seconds, settings.max_seconds, settings.max_time_ratio, MIN_SECONDS),
        *_beyond(
            "its peak of memory is", "MB", peaks, settings.max_peak_megabytes, settings.max_memory_ratio, MIN_PEAK
        ),
        *_beyond("the model's file has", "MB", sizes, settings.max_megabytes, settings.max_size_ratio, MIN_SIZE),
    ]
    text = f"Scoring 1,000 rows takes {_told('challenger', seconds, peaks, sizes)}"
    if "champion" in versions:
        text += f"; the champion takes {_told('champion', seconds, peaks, sizes)}"
    sentence = f"{text}: {'; '.join(faults) or 'within the limits'}."
    return CheckResult("budget", "failed" if faults else "passed", sentence, numbers)


def _told(role: str, seconds: dict[str, float], peaks: dict[str, float], sizes: dict[str, float]) -> str:
    return f"{seconds[role]:.3f} s and {peaks[role]:.1f} MB, from a file of {sizes[role]:.2f} MB"


def _peak(rows: pa.Table, version: LoadedModel) -> float:
    """Return the peak of memory, in MB, of a copy that is made and scores ``rows``; call it after a run to warm up."""
    mine = not tracemalloc.is_tracing()
    if mine:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        copy.deepcopy(version).score(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if mine:
            tracemalloc.stop()
    return max(peak - before, 0) / 1e6


def _seconds(rows: pa.Table, versions: dict[str, LoadedModel], *, repeats: int) -> dict[str, float]:
    """Return each version's least time to score 1,000 rows, after one run to warm up; they take turns."""
    taken: dict[str, list[float]] = {role: [] for role in versions}
    for turn in range(repeats + 1):
        for role, version in versions.items():
            begin = time.perf_counter()
            version.score(rows)
            taken[role] += [time.perf_counter() - begin] if turn else []
    return {role: min(found) * 1000 / max(rows.num_rows, 1) for role, found in taken.items()}


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
