"""The checks of the gate: each looks at the same evidence and says passed, failed, undecided or not applicable."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slipstream.errors import DefinitionError, RetriableError, SlipstreamError
from slipstream.metrics import row_losses
from slipstream.promotion.resampling import MIN_BLOCKS, Difference, mean_difference, seed_of

if TYPE_CHECKING:
    from datetime import timedelta

    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.definitions import BaselineCheck, MetricGainCheck, Model
    from slipstream.promotion.evaluation import Comparison
    from slipstream.promotion.loading import LoadedModel

log = logging.getLogger(__name__)

Outcome = Literal["passed", "failed", "undecided", "not_applicable"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found: its outcome, its numbers, and a sentence that a person can read."""

    name: str
    outcome: Outcome
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "numbers": dict(self.numbers)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CheckResult:
        return cls(**values)


@dataclass(frozen=True)
class Evidence:
    """What every check is given: the same rows with the scores of both versions.

    Attributes:
        rows: Key, the population's columns, prediction_time, features, ``label``, ``challenger`` and, with a champion,
            ``champion`` scores.
        load: Gives a version by its number, ready to score; None where there is no registry to ask.
    """

    model: Model
    comparison: Comparison
    rows: pa.Table
    load: Callable[[str], LoadedModel] | None = None

    @functools.cached_property
    def label(self) -> NDArray[np.float64]:
        return self._numbers("label")

    @functools.cached_property
    def challenger(self) -> NDArray[np.float64]:
        return self._numbers("challenger")

    @functools.cached_property
    def champion(self) -> NDArray[np.float64] | None:
        return self._numbers("champion") if self.comparison.champion is not None else None

    def blocks(self, length: timedelta) -> NDArray[np.int64]:
        """Return the number of each row's block: its prediction_time cut into pieces of ``length`` since 1970, UTC."""
        return block_numbers(self.rows, length)

    def seed(self, *names: str) -> int:
        """Return the seed of a check: of the model's seed, the evaluation rows and the check's name."""
        return seed_of(self.model.seed, self.comparison.digest, *names)

    def _numbers(self, column: str) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.rows.column(column).to_numpy().astype(np.float64)
        found.flags.writeable = False  # every check is to see the same numbers, whatever another one does
        return found


def block_numbers(rows: pa.Table, length: timedelta) -> NDArray[np.int64]:
    """Return the number of each row's block of time, as ``Evidence.blocks`` does."""
    import pyarrow as pa

    moments = rows.column("prediction_time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    numbers: NDArray[np.int64] = moments.to_numpy() // round(length.total_seconds() * 1_000_000)
    return numbers


Check = Callable[[Evidence, Any], CheckResult]
_CHECKS: dict[str, Check] = {}


def register_check(name: str) -> Callable[[Check], Check]:
    """Decorate a function of evidence and settings so that ``gate:`` in model.yaml may name it."""

    def add(function: Check) -> Check:
        _CHECKS[name] = function
        return function

    return add


def run_check(settings: Any, evidence: Evidence) -> CheckResult:
    """Return what the check that ``settings`` names finds in the evidence.

    A check that breaks, on rows that nobody thought of or in a team's own code, has found nothing: it is undecided,
    with what went wrong, so that its version is not promoted. What may go well on another try is raised.
    """
    import slipstream.promotion.checks  # noqa: F401 - importing registers them

    function = _CHECKS.get(settings.check)
    if function is None:
        message = (
            f"The gate of {evidence.model.name!r} names the check {settings.check!r}; there are {sorted(_CHECKS)}."
        )
        raise DefinitionError(message)
    try:
        return function(evidence, settings)
    except (RetriableError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        log.warning("The check %s of model %s broke.", settings.check, evidence.model.name, exc_info=True)
        named = getattr(settings, "function", None) if settings.check == "own" else None
        name = named.partition(":")[2] if named else settings.check
        sentence = f"It could not be computed: {said(error)}"
        return CheckResult(name, "undecided", sentence, {"error": type(error).__name__})


def said(error: BaseException) -> str:
    """Return an error in one line, at most 500 characters: its kind, unless it is one of ours, and its text."""
    kind = "" if isinstance(error, SlipstreamError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:500].removesuffix(".") + "."


def overall(results: list[CheckResult]) -> Literal["accepted", "rejected", "undecided"]:
    """Return the verdict of several checks: one that failed rejects, one that is undecided leaves it undecided."""
    outcomes = {result.outcome for result in results}
    if "failed" in outcomes:
        return "rejected"
    return "undecided" if "undecided" in outcomes or not outcomes & {"passed"} else "accepted"


@register_check("baseline")
def baseline(evidence: Evidence, settings: BaselineCheck) -> CheckResult:
    """Compare the challenger with a constant: the class prior, or the median, of its own training labels.

    Decided by the mean over rows. Whether the gain is beyond noise is for ``metric_gain`` to say, against a champion.
    """
    metric = settings.metric or evidence.model.default_loss
    constant = evidence.comparison.baseline
    ours = row_losses(metric, evidence.label, evidence.challenger)
    theirs = row_losses(metric, evidence.label, np.full_like(evidence.label, constant))
    gain = float((theirs - ours).mean())
    passed = gain > settings.min_gain
    numbers = {
        "metric": metric,
        "constant": constant,
        "baseline_loss": float(theirs.mean()),
        "challenger_loss": float(ours.mean()),
        "gain": gain,
        "min_gain": settings.min_gain,
        "rows": len(ours),
    }
    sentence = (
        f"{metric} {numbers['challenger_loss']:.4f} against {numbers['baseline_loss']:.4f} of the constant "
        f"{constant:.4g}: a gain of {gain:+.4f}, {'more than' if passed else 'not more than'} {settings.min_gain:g}."
    )
    return CheckResult("baseline", "passed" if passed else "failed", sentence, numbers)


@register_check("metric_gain")
def metric_gain(evidence: Evidence, settings: MetricGainCheck) -> CheckResult:
    """Test whether the challenger's loss per row is lower than the champion's, by blocks of time."""
    if evidence.champion is None:
        return CheckResult("metric_gain", "not_applicable", "There is no champion yet to compare with.")
    metric = settings.metric or evidence.model.default_loss
    theirs = row_losses(metric, evidence.label, evidence.champion)
    ours = row_losses(metric, evidence.label, evidence.challenger)
    blocks = evidence.blocks(settings.block)
    found = len(np.unique(blocks))
    if found < MIN_BLOCKS:
        sentence = (
            f"The rows fall into {found} block(s) of time; at least {MIN_BLOCKS} are wanted to tell a gain from "
            f"chance. Widen evaluation.window, or shorten the check's block."
        )
        return CheckResult("metric_gain", "undecided", sentence, {"blocks": found, "min_blocks": MIN_BLOCKS})
    threshold = settings.min_gain if settings.mode == "superiority" else -settings.margin
    difference = mean_difference(
        theirs - ours,
        blocks,
        alpha=settings.alpha,
        threshold=threshold,
        resamples=settings.resamples,
        seed=evidence.seed("metric_gain", metric),
    )
    passed = difference.lower > threshold
    numbers = _numbers(settings, metric, threshold, difference) | {
        "champion_loss": float(theirs.mean()),
        "challenger_loss": float(ours.mean()),
    }
    return CheckResult("metric_gain", "passed" if passed else "failed", _sentence(numbers, passed), numbers)


def _numbers(settings: MetricGainCheck, metric: str, threshold: float, found: Difference) -> dict[str, Any]:
    return {
        "metric": metric,
        "mode": settings.mode,
        "method": "block bootstrap-t with Student's t as a floor",
        "gain": found.mean,
        "standard_error": found.error,
        "lower": found.lower,
        "upper": found.upper,
        "p_value": found.p_value,
        "alpha": settings.alpha,
        "threshold": threshold,
        "resamples": settings.resamples,
        "rows": found.rows,
        "blocks": found.blocks,
    }


def _sentence(numbers: Mapping[str, Any], passed: bool) -> str:
    return (
        f"{numbers['metric']} {numbers['challenger_loss']:.4f} against the champion's {numbers['champion_loss']:.4f} "
        f"on {numbers['rows']} rows in {numbers['blocks']} blocks: a gain of {numbers['gain']:+.4f}, lower bound "
        f"{numbers['lower']:+.4f}, p = {numbers['p_value']:.3g}; {numbers['mode'].replace('_', '-')} wants more than "
        f"{numbers['threshold']:+g}: {'met' if passed else 'not met'}."
    )
