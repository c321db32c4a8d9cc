"""Do the features fit, and is none of them the answer itself?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.errors import SchemaError
from slipstream.metrics import classification_metrics
from slipstream.promotion.frames import WORD, feature_kinds, model_frame
from slipstream.promotion.gate import CheckResult, Evidence, register_check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import SchemaCheck


@register_check("schema")
def schema(evidence: Evidence, settings: SchemaCheck) -> CheckResult:
    """Compare names and types of features with the views and both versions, and look for a feature that is the label.

    A leak: one feature alone ranks the labels with an AUC (either way round), or follows them with a correlation of
    Pearson or Spearman, above the limit. A word stands for the mean label of its other half of the rows, so a column
    of unique words does not look like one. Missing values count as the least, and as the largest, value.
    """
    try:
        kinds = feature_kinds(evidence.rows.schema, evidence.model.feature_columns)
    except SchemaError as error:
        return CheckResult("schema", "failed", str(error))
    changes = _changes(evidence, kinds)
    strength = _strengths(evidence, kinds)
    task = evidence.model.task
    limit = settings.max_auc if task == "binary_classification" else settings.max_correlation
    leaks = [name for name, found in strength.items() if found > limit]
    measure = "AUC" if task == "binary_classification" else "correlation"
    numbers = {"features": kinds, "changes": changes, "measure": measure, "strength": strength, "limit": limit}
    numbers["leaks"] = leaks
    told = [f"{name} alone predicts the label with {measure} {strength[name]:.4f}" for name in leaks]
    if told or changes:
        advice = f" No feature may by itself have more than {limit:g}: is it known only afterwards?" if leaks else ""
        return CheckResult("schema", "failed", f"{'; '.join([*changes, *told])}.{advice}", numbers)
    strongest = max(strength, key=lambda name: strength[name])
    sentence = (
        f"All {len(kinds)} features have the names and types that are expected; the strongest alone, {strongest}, has "
        f"{measure} {strength[strongest]:.4f}, within {limit:g}."
    )
    return CheckResult("schema", "passed", sentence, numbers)


def _changes(evidence: Evidence, kinds: dict[str, str]) -> list[str]:
    """Return in words what the views give otherwise than a version was trained on."""
    found: list[str] = []
    versions = {"challenger": evidence.comparison.challenger, "champion": evidence.comparison.champion}
    for role, version in versions.items() if evidence.load else ():
        trained = evidence.load(version).kinds if evidence.load and version else {}
        for name, kind in trained.items():
            if kinds.get(name) != kind:
                now = kinds.get(name, "nothing")
                found.append(f"the {role}, version {version}, was trained on {name} as {kind}; the views give {now}")
    return found


def _strengths(evidence: Evidence, kinds: dict[str, str]) -> dict[str, float]:
    """Return how well each feature alone predicts the label, from 0.5 (AUC) or 0 (correlation) to 1."""
    frame, label = model_frame(evidence.rows, kinds), evidence.label
    measure = _auc if evidence.model.task == "binary_classification" else _correlation
    found = {}
    for name, kind in kinds.items():
        values: Any = frame[name].to_numpy()
        numbers = _encoded(values, label) if kind == WORD else values
        finite = numbers[np.isfinite(numbers)]
        low, high = (finite.min() - 1, finite.max() + 1) if len(finite) else (0.0, 0.0)
        missing = np.isnan(numbers)
        ends = (low, high) if missing.any() else (low,)
        found[name] = max(measure(label, np.where(missing, end, numbers)) for end in ends)
    return found


def _encoded(words: Any, label: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean label of each word in the half of the rows that the row itself is not in."""
    import pandas as pd

    codes, _ = pd.factorize(words, use_na_sentinel=False)
    half = np.arange(len(label)) % 2
    encoded = np.full(len(label), label.mean())
    for side in (0, 1):
        other = half != side
        count = np.bincount(codes[other], minlength=codes.max() + 1)
        total = np.bincount(codes[other], weights=label[other], minlength=codes.max() + 1)
        mean = np.where(count > 0, total / np.maximum(count, 1), label[other].mean() if other.any() else 0.0)
        encoded[half == side] = mean[codes[half == side]]
    return encoded


def _auc(label: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    found = _rank_auc(label, values)
    return max(found, 1 - found)


def _rank_auc(label: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    # The metrics' AUC goes by ranks alone, so any numbers will do; chances keep their log loss defined.
    _, ranks = np.unique(values, return_inverse=True)
    found = classification_metrics(label, ranks / max(int(ranks.max()), 1))["roc_auc"]
    return 0.5 if np.isnan(found) else found


def _correlation(label: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    if values.std() == 0 or label.std() == 0:
        return 0.0
    from scipy.stats import rankdata  # type: ignore[import-untyped, unused-ignore]

    pairs = ((label, values), (rankdata(label), rankdata(values)))
    return max(abs(float(np.corrcoef(*pair)[0, 1])) for pair in pairs)
