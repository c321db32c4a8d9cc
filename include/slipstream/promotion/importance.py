"""What a version looks at: mean absolute contributions on a sample of the evaluation rows.

Global importance as the mean of |contribution|: Lundberg et al., Nature Machine Intelligence 2, 2020, "Local
explanations as building blocks for global insights".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.attribution import UNITS, refusal
from slipstream.errors import FatalError
from slipstream.promotion.pages import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.promotion.gate import Evidence
    from slipstream.promotion.loading import LoadedModel

    Floats = NDArray[np.float64]

ROWS = 1_000


@dataclass(frozen=True)
class Importance:
    """A version's contributions on a sample of rows, by feature column.

    Attributes:
        mean: The mean absolute contribution, on the version's own scale ``unit``.
        share: Of the sum of these means; 0 for all where no feature contributes anything.
        direction: Spearman's rank correlation between a number and its contribution; None for words, and where either
            does not vary.
    """

    unit: str
    rows: int
    mean: Mapping[str, float]
    share: Mapping[str, float]
    direction: Mapping[str, float | None]

    def ranked(self) -> list[str]:
        """Return the features, the most important first; equal ones in the order of the version."""
        return sorted(self.mean, key=lambda name: -self.mean[name])


def importance(evidence: Evidence, version: str) -> Importance | str:
    """Return what a version looks at, or in words why that cannot be said; the same rows for every version."""
    if evidence.load is None:
        return "there is no registry to load it from"
    loaded = evidence.load(version)
    if reason := refusal(loaded.estimator):
        return reason
    rows, most = evidence.rows, evidence.rows.num_rows
    if most > ROWS:
        chosen = np.random.default_rng(evidence.seed("importance")).choice(most, ROWS, replace=False)
        rows = rows.take(np.sort(chosen))
    try:
        found = loaded.attribute(rows)
    except FatalError as error:  # contributions that do not add up: a description must not stop a decision
        return str(error)
    sizes = np.abs(found.contributions).mean(axis=0)
    total = float(sizes.sum())
    frame = loaded.frame(rows)
    return Importance(
        unit=found.unit,
        rows=rows.num_rows,
        mean=dict(zip(found.features, sizes.tolist(), strict=True)),
        share=dict(zip(found.features, (sizes / total if total > 0 else sizes).tolist(), strict=True)),
        direction={
            name: _direction(loaded, frame[name].to_numpy(), found.contributions[:, place])
            for place, name in enumerate(found.features)
        },
    )


def _direction(loaded: LoadedModel, values: Any, contributions: Floats) -> float | None:
    if values.dtype == object:
        return None
    known = ~np.isnan(values)
    return rank_correlation(values[known], contributions[known])


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Return Spearman's rank correlation, ties with their mean rank (Spearman 1904); None where either is constant."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def importance_section(evidence: Evidence | None, version: str) -> list[Section]:
    """Return the part of a model card that says what the version looks at; nothing without evaluation rows."""
    if evidence is None:
        return []
    title, found = "Global importance", importance(evidence, version)
    if isinstance(found, str):
        return [Section(title, text=[f"Not measured: {found}."])]
    rows = [
        {
            "feature": name.replace("__", ":", 1),
            "mean_contribution": found.mean[name],
            "share": f"{found.share[name]:.1%}",
            "grows_with_the_value": _told(found.direction[name]),
        }
        for name in found.ranked()
    ]
    text = (
        f"Mean absolute contribution to the scores of {found.rows} evaluation rows, in {UNITS[found.unit]}. The last "
        "column is the rank correlation of the feature's value with its contribution, where it is a number. It says "
        "what the version does with the feature, not what causes the label."
    )
    return [Section(title, text=[text], rows=rows)]


def _told(direction: float | None) -> str | None:
    return None if direction is None else f"{direction:+.2f}"
