"""Shifts that a self-test injects: each turns the rows of a reference into what they would be after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.promotion.frames import NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from slipstream.monitoring.distances import Floats
    from slipstream.promotion import LoadedModel

DEVIATIONS = (0.1, 0.5, 1.0)
MISSING = 0.05
MORE_POSITIVES = 1.5
_SURE = 1e-6


@dataclass(frozen=True)
class Rows:
    """Rows that windows are drawn from: features, score, label, and how likely each is to be drawn.

    ``frame`` holds the features and ``score``; ``label`` and ``weight`` have the shape ``(rows,)``.
    """

    frame: pd.DataFrame
    label: Floats
    weight: Floats


@dataclass(frozen=True)
class Shift:
    """A shift by name, the column that it is in, and the rows after it."""

    name: str
    column: str
    rows: Rows


def shifts(usual: Rows, loaded: LoadedModel, weights: Mapping[str, float], seed: int) -> Iterator[Shift]:
    """Yield each shift, in the number and the category that the model makes most of; one that cannot be is left out."""
    ranked = sorted(weights, key=lambda name: (-weights[name], name))
    varied = [name for name in ranked if usual.frame[name].nunique() > 1]
    number = next((name for name in varied if loaded.kinds[name] == NUMBER), None)
    word = next((name for name in varied if loaded.kinds[name] != NUMBER), None)
    if number is not None:
        values = usual.frame[number]
        for size in DEVIATIONS:
            yield Shift(f"+{size:g} sd", number, _scored(usual, loaded, number, values + size * values.std(ddof=0)))
        yield Shift("x 1.8 + 32", number, _scored(usual, loaded, number, values * 1.8 + 32))
    if word is not None:
        common = usual.frame[word].mode().iloc[0]
        left = np.where((usual.frame[word] == common).to_numpy(), 0.0, usual.weight)
        yield Shift(f"{common!r} vanishes", word, Rows(usual.frame, usual.label, left))
    if varied:
        missing = np.random.default_rng(seed).random(len(usual.label)) < MISSING
        changed = usual.frame[varied[0]].mask(missing, None if varied[0] == word else np.nan)
        yield Shift(f"{MISSING:.0%} missing", varied[0], _scored(usual, loaded, varied[0], changed))
    yield Shift(*_label_shift(usual, loaded.task))


def _scored(usual: Rows, loaded: LoadedModel, column: str, values: Any) -> Rows:
    """Return the rows with ``column`` replaced, their honest scores moved by as much as the model's own move."""
    frame = usual.frame.assign(**{column: values})
    features = list(loaded.kinds)
    before, after = loaded.score(usual.frame[features]), loaded.score(frame[features])
    honest = usual.frame["score"].to_numpy()
    if loaded.task == "binary_classification":
        score = 1 / (1 + np.exp(-(_logit(honest) + _logit(after) - _logit(before))))
    else:
        score = honest + after - before
    return Rows(frame.assign(score=score), usual.label, usual.weight)


def _logit(chance: Floats) -> Floats:
    sure = np.clip(chance, _SURE, 1 - _SURE)
    odds: Floats = np.log(sure / (1 - sure))
    return odds


def _label_shift(usual: Rows, task: str) -> tuple[str, str, Rows]:
    """Make other labels likelier while rows of one label look as before: Lipton, Wang and Smola (2018)."""
    label = usual.label
    if task == "binary_classification":
        share = float(label.mean())
        wanted = min(MORE_POSITIVES * share, (1 + share) / 2)
        odds = wanted * (1 - share) / max(share * (1 - wanted), _SURE)
        weight = np.where(label > 0.5, odds, 1.0)
        name = f"x {wanted / share:.2g} positives" if share else "more positives"
    else:
        spread = float(label.std())
        weight = np.exp(0.5 * (label - label.mean()) / spread) if spread else np.ones(len(label))
        weight, name = np.minimum(weight, 20.0), "+0.5 sd by tilting"
    weight = weight / weight.mean()
    return name, "label", Rows(usual.frame, label, usual.weight * weight)
