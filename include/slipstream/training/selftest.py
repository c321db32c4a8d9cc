"""The gate put to the test on a model's own history: equals, which it must refuse, and gains that are really there.

Two kinds of equals, fitted on the training set of a version, with its parameters: some that differ by their seed alone,
and some that saw training days redrawn with replacement. The first is the classical A/A test; the second differ as much
as a retraining does, and so say what the gate sees in practice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from slipstream.errors import DefinitionError, NotFoundError
from slipstream.intervals import iso
from slipstream.promotion.registry import Registry
from slipstream.promotion.selftest import EFFECTS, Effect, simulate, threshold, upper_bound
from slipstream.training.equals import Show, history_since, score_equals, window_blocks

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, MetricGainCheck, Model
    from slipstream.lake import Lake
    from slipstream.promotion.registry import VersionDetails
    from slipstream.settings import Settings


@dataclass(frozen=True)
class Equals:
    """Equals of one kind, and what the gate said of them.

    Attributes:
        name: ``seed`` or ``days``: what they differ by.
        spread: The mean, over pairs, of the absolute gain of one over the other in the whole history.
        lag_one: The mean correlation of one block's mean gain with the next one's; a large one asks for longer blocks.
        identical: All score alike in every bit, so there is nothing to tell apart.
        power: How often a challenger of the same kind that is truly better is promoted.
    """

    name: str
    spread: float
    lag_one: float
    identical: bool
    false_promotion_rate: float
    power: tuple[Effect, ...]


@dataclass(frozen=True)
class SelfTest:
    """What simulated decisions say of a model's ``metric_gain``.

    Attributes:
        version: Whose training set and parameters the fits have, and which was compared with itself.
        start, end: Of the history, UTC: matured rows after that training set.
        window_blocks: Blocks of time that a decision has, as the newest evaluation window would.
        self_gain: The largest difference of a row's loss when the version is compared with itself.
        bound: What a rate of exactly alpha exceeds once in a hundred self-tests.
    """

    model: str
    version: str
    metric: str
    mode: str
    alpha: float
    threshold: float
    resamples: int
    simulations: int
    seed: int
    start: datetime
    end: datetime
    rows: int
    blocks: int
    window_blocks: int
    self_gain: float
    self_promotion_rate: float
    bound: float
    equals: tuple[Equals, ...]

    @property
    def false_promotion_rate(self) -> float:
        """The worse of the kinds'."""
        return max(each.false_promotion_rate for each in self.equals)

    @property
    def power(self) -> tuple[Effect, ...]:
        """Of the kind that differs as a retraining does."""
        return self.equals[-1].power

    @property
    def holds(self) -> bool:
        """Whether equals are promoted no more often than alpha allows, and a version never over itself."""
        never = self.self_promotion_rate == 0 or self.threshold < 0
        return self.self_gain == 0 and never and self.false_promotion_rate <= self.bound

    def as_dict(self) -> dict[str, Any]:
        plain = {**asdict(self), "start": iso(self.start), "end": iso(self.end)}
        found = {"false_promotion_rate": self.false_promotion_rate, "power": [asdict(each) for each in self.power]}
        return {**plain, **found, "holds": self.holds}


def selftest_gate(
    model: Model,
    *,
    definitions: Definitions,
    lake: Lake,
    settings: Settings,
    simulations: int = 1000,
    effects: Sequence[float] = EFFECTS,
    version: str | None = None,
    seed: int | None = None,
    show: Show = lambda *_: None,
) -> SelfTest:
    """Simulate decisions of ``metric_gain`` on the history that a version left; writes nothing.

    Args:
        effects: Relative improvements of the loss that are injected.
        version: Default: of the present and former champions the one with the most history after its training rows.
        seed: Of fits and drawing. Default: the model's own.
        show: Is told the step, how much of it is done, and of how much.

    Raises:
        NotFoundError: There is no champion yet, or no such version.
        DefinitionError: The gate has no ``metric_gain``.
        FatalError: Too little history.
    """
    import numpy as np

    check = _check(model)
    registry = Registry.from_settings(settings)
    details = registry.details(model.name, version) if version else _longest(model, registry, lake)
    seed = model.seed if seed is None else seed
    source: dict[str, Any] = {"definitions": definitions, "lake": lake, "settings": settings}
    show("Read the history", 0, 1)
    rows, end = history_since(model, details, source)
    window = window_blocks(model, check, rows, end)
    scored = score_equals(model, check, details, registry, rows, source, seed=seed, show=show)
    found = []
    for place, name in enumerate(scored.equals):
        pairs = scored.pairs(name)
        rate, power = simulate(
            pairs, check, blocks=window, simulations=simulations, effects=effects, seed=seed,
            advance=partial(_advance, show, place * simulations, 2 * simulations),
        )  # fmt: skip
        spread, lag_one = (
            float(np.mean(each)) for each in zip(*((abs(p.gain), p.lag_one) for p in pairs), strict=True)
        )
        identical = not any(pair.gains.any() for pair in pairs)
        found.append(Equals(name, spread, lag_one, identical, 0.0 if identical else rate, () if identical else power))
    itself = scored.pair(*scored.version)
    promoted, _ = simulate([itself], check, blocks=window, simulations=simulations, effects=(), seed=seed)
    return SelfTest(
        model=model.name,
        version=details.version,
        metric=check.metric or model.default_loss,
        mode=check.mode,
        alpha=check.alpha,
        threshold=threshold(check),
        resamples=check.resamples,
        simulations=simulations,
        seed=seed,
        start=details.train_end,
        end=end,
        rows=rows.num_rows,
        blocks=len(set(scored.blocks.tolist())),
        window_blocks=window,
        self_gain=float(abs(scored.version[0] - scored.version[1]).max()),
        self_promotion_rate=promoted,
        bound=upper_bound(check.alpha, simulations),
        equals=tuple(found),
    )


def _advance(show: Show, before: int, total: int, done: int) -> None:
    show("Simulate decisions", before + done, total)


def _check(model: Model) -> MetricGainCheck:
    from slipstream.definitions import MetricGainCheck

    found = next((check for check in model.gate if isinstance(check, MetricGainCheck)), None)
    if found is None:
        message = (
            f"The gate of {model.name!r} has no metric_gain, so no test decides and none can be tested. "
            f"Add {{check: metric_gain}} to its model.yaml."
        )
        raise DefinitionError(message)
    return found


def _longest(model: Model, registry: Registry, lake: Lake) -> VersionDetails:
    """Return the present or former champion whose training rows end first."""
    from slipstream.promotion.history import CHANGES, ledger

    held = {row.version for row in ledger(model, lake=lake) if row.action in CHANGES and row.version}
    if not held:
        message = (
            f"Model {model.name!r} has no champion yet, so there is no history to test its gate on. Train and promote "
            f"one, or name a version with --version."
        )
        raise NotFoundError(message)
    found = [registry.details(model.name, version) for version in sorted(held, key=int)]
    return min(found, key=lambda each: each.train_end)
