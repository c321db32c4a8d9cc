"""Curves of a model on rows that it was not fitted on, as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from slipstream.training.selftest import SelfTest

    Floats = NDArray[np.float64]

SIZE, DOTS, POINTS = (5.0, 4.0), 90, 5000


def draw(task: str, label: Floats, score: Floats, folder: Path) -> list[str]:
    """Draw the curves of ``task`` into ``folder`` and return the files' names; the same rows give the same curves."""
    if task != "binary_classification":
        return [_residuals(label, score, folder), _predicted(label, score, folder)]
    drawn = [_reliability(label, score, folder)]
    if 0 < label.sum() < len(label):
        drawn += [_roc(label, score, folder), _precision_recall(label, score, folder)]
    return drawn


def _axes(title: str, across: str, up: str) -> tuple[Any, Any]:
    # A Figure of its own, without pyplot: no window system, no state that threads or tasks would share.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DOTS, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=across, ylabel=up)
    return figure, axes


def _save(figure: Any, folder: Path, name: str) -> str:
    figure.savefig(folder / name, format="png", metadata={"Software": None})
    return name


def _thin(values: Floats) -> Floats:
    step = max(1, len(values) // POINTS)
    return values[::step]


def _roc(label: Floats, score: Floats, folder: Path) -> str:
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(label, score)
    figure, axes = _axes("ROC, validation rows", "false positive rate", "true positive rate")
    axes.plot(_thin(false), _thin(true))
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    return _save(figure, folder, "roc.png")


def _precision_recall(label: Floats, score: Floats, folder: Path) -> str:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(label, score)
    figure, axes = _axes("Precision and recall, validation rows", "recall", "precision")
    axes.plot(_thin(recall), _thin(precision))
    axes.axhline(float(label.mean()), linestyle=":", color="grey")
    return _save(figure, folder, "precision_recall.png")


def _reliability(label: Floats, score: Floats, folder: Path) -> str:
    import numpy as np

    parts = np.array_split(np.argsort(score, kind="stable"), min(10, len(score)))
    figure, axes = _axes("Reliability, validation rows", "predicted chance", "observed share")
    axes.plot([score[part].mean() for part in parts], [label[part].mean() for part in parts], marker="o")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    return _save(figure, folder, "reliability.png")


def _residuals(label: Floats, score: Floats, folder: Path) -> str:
    figure, axes = _axes("Residuals, validation rows", "label minus prediction", "rows")
    axes.hist(label - score, bins=50)
    return _save(figure, folder, "residuals.png")


def _predicted(label: Floats, score: Floats, folder: Path) -> str:
    figure, axes = _axes("Labels against predictions, validation rows", "prediction", "label")
    axes.plot(_thin(score), _thin(label), linestyle="", marker=".", markersize=2)
    return _save(figure, folder, "predicted.png")


def draw_power(found: SelfTest, path: Path) -> None:
    """Draw the power curves of a self-test into ``path``, in the format of its ending."""
    figure, axes = _axes(f"Gate of {found.model}, {found.simulations} decisions", "loss lower by, %", "promoted")
    for pair in found.equals:
        if pair.power:
            across = [0.0, *(100 * each.effect for each in pair.power)]
            up = [pair.false_promotion_rate, *(each.rate for each in pair.power)]
            axes.plot(across, up, marker="o", label=f"fits differ by {pair.name}")
    axes.axhline(found.alpha, linestyle=":", color="grey", label=f"alpha {found.alpha:g}")
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)
