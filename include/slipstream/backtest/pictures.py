"""The curves of a backtest: as one PNG, and in a page that needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slipstream.promotion.charts import steps
from slipstream.promotion.pages import Section, to_html

if TYPE_CHECKING:
    from slipstream.backtest.study import Study

Run = Mapping[str, Any]
Curves = dict[str, list[float | None]]
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#7f7f7f")  # after Okabe and Ito (2008), as on the page
METRICS = {"log_loss": "log loss", "mae": "mean absolute error"}


def name_of(run: Run) -> str:
    """Return a policy and its gate as tables and curves name it."""
    return f"{run['policy']}, gate {run['gate']}"


def metric_of(runs: Sequence[Run]) -> str:
    """Return the metric that the curves show: the first that the months have."""
    return next((name for name in METRICS if any(name in month for run in runs for month in run["months"])), "rows")


def panels(study: Study) -> list[tuple[str, Curves]]:
    """Return what is drawn: the loss by month, how much less it is than the first policy's, trainings so far."""
    metric, runs = metric_of(study.runs), study.runs
    words, first = METRICS.get(metric, metric), name_of(runs[0])
    losses = {name_of(run): [month.get(metric) for month in run["months"]] for run in runs}
    gains = {name: [_less(b, a) for a, b in zip(found, losses[first], strict=True)] for name, found in losses.items()}
    return [
        (words, losses),
        (f"{words} below that of {first}", gains),
        ("trainings so far", {name_of(run): _summed(run["months"], "retrains") for run in runs}),
    ]


def _less(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _summed(months: Sequence[Mapping[str, Any]], name: str) -> list[float | None]:
    total, found = 0.0, []
    for month in months:
        total += month[name]
        found.append(total)
    return [*found]


def draw(study: Study) -> bytes:
    """Return the curves as PNG; the same numbers give the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = panels(study)
    figure = Figure(figsize=(9, 3.2 * len(drawn)), dpi=100, layout="tight")
    FigureCanvasAgg(figure)
    months = [month["month"] for month in study.runs[0]["months"]]
    kinds = list(dict.fromkeys(run["policy"] for run in study.runs))
    for number, (up, curves) in enumerate(drawn, start=1):
        axes = figure.add_subplot(len(drawn), 1, number)
        seen: set[str] = set()
        for name, values in curves.items():
            kind = name.partition(",")[0]
            line, colour = "--" if kind in seen else "-", COLOURS[kinds.index(kind) % len(COLOURS)]
            numbers = [float("nan") if value is None else value for value in values]
            axes.plot(months, numbers, line, color=colour, label=name, marker="o", markersize=3, linewidth=1.4)
            seen.add(kind)
        axes.set(ylabel=up)
        axes.grid(alpha=0.25)
        if number == 1:
            axes.legend(fontsize=8, ncols=2)
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def page(study: Study) -> str:
    """Return the whole backtest as self-contained HTML: curves, tables by month, every training and promotion."""
    months = [month["month"] for month in study.runs[0]["months"]]
    drawn = [Section(up.capitalize(), picture=steps(curves, months, up=up, title=up)) for up, curves in panels(study)]
    each = [section for run in study.runs for section in _of_run(run)]
    title = f"Backtest of {study.model}, {study.start:%Y-%m-%d} to {study.end:%Y-%m-%d}"
    return to_html(title, [Section("Over the whole time", rows=summary(study)), *drawn, *each])


def summary(study: Study) -> list[dict[str, Any]]:
    """Return one row a policy and gate: the whole time's numbers, and how many promotions did harm."""
    return [
        {"policy": run["policy"], "gate": run["gate"], **told(run["all"]), "harmful": _harmful(run)}
        for run in study.runs
    ]


def _harmful(run: Run) -> int:
    return sum(each["harmful"] for each in run["promotions"])


def told(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a record what tables show: not the metrics that say the same once more."""
    hidden = ("brier", "calibration_error", "rmse")
    return {name: value for name, value in record.items() if name not in hidden}


def _of_run(run: Run) -> list[Section]:
    shown = ("at", "why", "champion", "outcome", "promoted", "reason")
    trainings = [{name: each[name] for name in shown} for each in run["trainings"]]
    name = name_of(run)
    sections = [
        Section(f"{name}: by month", rows=[told(month) for month in run["months"]]),
        Section(f"{name}: trainings", rows=trainings),
        Section(f"{name}: promotions, 30 days after", rows=run["promotions"]),
    ]
    return [each for each in sections if each.rows]
