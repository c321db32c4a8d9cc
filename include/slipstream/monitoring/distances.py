"""How far a sample is from a reference: effect sizes, tests for small samples, and the correction for many of them.

Both sides are weights over one pool of rows, so a window is a row of a matrix, and a thousand windows drawn from the
same rows are measured at once. A window's own report is the case of one row; the numbers are Evidently's then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

Method = Literal["wasserstein", "jensenshannon", "psi"]
FEW_VALUES = 20  # a number with no more distinct values is binned by them, as Evidently does
_PSI_FLOOR = 1e-4


@dataclass(frozen=True)
class Distances:
    """One column's distance from the reference in each window.

    Attributes:
        values: Effect sizes, shape ``(windows,)``; NaN where a side has no value.
        p_values: Of the two-sample test, shape ``(windows,)``.
        rows, reference_rows: How many values were compared; missing ones do not count.
        size, reference_size: How many there are with the missing ones.
    """

    method: Method
    test: Literal["ks", "chi_square"]
    values: Floats
    p_values: Floats
    rows: Floats
    reference_rows: float
    size: Floats
    reference_size: float

    @property
    def missing(self) -> Floats:
        """The share of missing values in each window."""
        share: Floats = 1 - self.rows / np.maximum(self.size, 1)
        return share

    @property
    def reference_missing(self) -> float:
        """The share of missing values in the reference."""
        return 1 - self.reference_rows / max(self.reference_size, 1)


def number_distances(values: Floats, now: Floats, then: Floats, method: Method) -> Distances:
    """Compare a column of numbers; a constant reference, whose spread is no unit, is compared as categories.

    Args:
        values: The column over the pool, shape ``(rows,)``; what is not finite is missing.
        now: Weights of the pool's rows in each window, shape ``(windows, rows)``.
        then: Weights in the reference, shape ``(rows,)``.
    """
    kept = np.flatnonzero(np.isfinite(values))
    kept = kept[np.argsort(values[kept], kind="stable")]
    x, p, q = values[kept], now[:, kept], then[kept]
    distinct = int(np.unique(x[q > 0]).size)
    if distinct <= 1:
        return _category_distances(np.unique(x, return_inverse=True)[1], p, q, _of_categories(method), now, then)
    distance, total, before = np.full(len(now), np.nan), p.sum(axis=1), float(q.sum())
    p_values, some = np.full(len(now), np.nan), p.sum(axis=1) > 0
    if some.any():
        gap = _cumulated(p[some]) - _cumulated(q[None, :])
        p_values[some] = ks_p_values(np.abs(gap[:, _last_of_equals(x)]).max(axis=1), total[some], before)
        if method == "wasserstein":
            distance[some] = wasserstein(gap, x) / _spread(x, q)
        else:
            bins = _bins(x, distinct)
            distance[some] = _DIVERGENCES[method](_shares(bins, p[some]), _shares(bins, q[None, :]))
    return Distances(method, "ks", distance, p_values, total, before, now.sum(axis=1), float(then.sum()))


def category_distances(codes: Codes, now: Floats, then: Floats, method: Method) -> Distances:
    """Compare a column of categories, given as codes from 0 on, -1 where missing; weights as in number_distances."""
    kept = np.flatnonzero(codes >= 0)
    return _category_distances(codes[kept], now[:, kept], then[kept], method, now, then)


def _category_distances(codes: Codes, p: Floats, q: Floats, method: Method, now: Floats, then: Floats) -> Distances:
    distance, p_values = np.full(len(now), np.nan), np.full(len(now), np.nan)
    total, before = p.sum(axis=1), float(q.sum())
    some = total > 0
    if some.any() and before:
        counts, reference = _counts(codes, p[some]), _counts(codes, q[None, :])
        distance[some] = _DIVERGENCES[method](_normed(counts), _normed(reference))
        p_values[some] = chi_square_p_values(counts, reference[0])
    return Distances(method, "chi_square", distance, p_values, total, before, now.sum(axis=1), float(then.sum()))


def _of_categories(method: Method) -> Method:
    return "jensenshannon" if method == "wasserstein" else method


def wasserstein(gap: Floats, x: Floats) -> Floats:
    """Return the area between two distribution functions, whose difference at sorted ``x`` is ``gap``."""
    area: Floats = np.abs(gap[:, :-1]) @ np.diff(x)
    return area


def jensenshannon(p: Floats, q: Floats) -> Floats:
    """Return the Jensen-Shannon distance to base e of shares ``(windows, bins)``: from 0 to 0.83, sqrt(ln 2)."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(side > 0, side * np.log(side / middle), 0.0).sum(axis=1) for side in (p, q + 0 * p)]
    distance: Floats = np.sqrt(np.maximum(sum(parts) / 2, 0.0))
    return distance


def psi(p: Floats, q: Floats) -> Floats:
    """Return the population stability index of shares ``(windows, bins)``; an empty bin counts as 1 in 10,000."""
    p, q = _filled(p), _filled(q)
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=1)
    return index


_DIVERGENCES: dict[str, Callable[[Floats, Floats], Floats]] = {"jensenshannon": jensenshannon, "psi": psi}


def ks_p_values(statistic: Floats, rows: Floats, reference_rows: float) -> Floats:
    """Return p-values of the two-sample Kolmogorov-Smirnov test by its limit, as SciPy's ``method="asymp"``."""
    from scipy.stats import kstwo  # type: ignore[import-untyped, unused-ignore]

    found: Floats = kstwo.sf(statistic, np.round(rows * reference_rows / (rows + reference_rows)))
    return np.clip(found, 0, 1)


def chi_square_p_values(counts: Floats, reference: Floats) -> Floats:
    """Return p-values of the chi-square test of homogeneity of each row of ``counts`` with ``reference``."""
    from scipy.stats import chi2  # type: ignore[import-untyped, unused-ignore]

    both, total, before = counts + reference, counts.sum(axis=1, keepdims=True), reference.sum()
    share = both / (total + before)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(both > 0, (seen - n * share) ** 2 / (n * share), 0.0)
                 for seen, n in ((counts, total), (reference, before))]  # fmt: skip
    freedom = np.maximum((both > 0).sum(axis=1) - 1, 1)
    found: Floats = chi2.sf(sum(term.sum(axis=1) for term in terms), freedom)
    return found


def adjusted(p_values: Floats) -> Floats:
    """Return p-values ``(tests,)`` adjusted for their number: Benjamini and Hochberg (1995). NaN stays NaN."""
    found = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found


def _cumulated(weights: Floats) -> Floats:
    total: Floats = np.cumsum(weights, axis=1, dtype=np.float64)
    return total / total[:, -1:]


def _last_of_equals(x: Floats) -> NDArray[np.bool_]:
    return np.append(x[1:] != x[:-1], True)


def _spread(x: Floats, weights: Floats) -> float:
    mean = np.average(x, weights=weights)
    return float(np.sqrt(np.average((x - mean) ** 2, weights=weights)))


def _bins(x: Floats, distinct: int) -> Codes:
    """Return each sorted value's bin: Sturges' over the pool, or the values themselves where they are few."""
    if distinct <= FEW_VALUES:
        return np.unique(x, return_inverse=True)[1]
    edges = np.histogram_bin_edges(x, bins="sturges")
    found: Codes = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    return found


def _counts(codes: Codes, weights: Floats) -> Floats:
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    counts: Floats = np.add.reduceat(weights[:, order].astype(np.float64), starts, axis=1)
    return counts


def _normed(counts: Floats) -> Floats:
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _shares(codes: Codes, weights: Floats) -> Floats:
    shares: Floats = _normed(_counts(codes, weights))
    return shares


def _filled(shares: Floats) -> Floats:
    least = np.where(shares > 0, shares, np.inf).min(axis=1, keepdims=True)
    filled: Floats = np.where(shares > 0, shares, np.where(least <= _PSI_FLOOR, least / 1e6, _PSI_FLOOR))
    return filled
