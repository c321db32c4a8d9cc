"""The pictures of a verdict: each says what it shows, in which unit, of which rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.metrics import row_losses
from slipstream.promotion.charts import Dots, Estimate, bars, cells, dots, forest, histogram, lines, reliability
from slipstream.promotion.pages import Section
from slipstream.promotion.resampling import MIN_BLOCKS, block_sums, resampled_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slipstream.definitions import Model
    from slipstream.promotion.gate import CheckResult, Evidence
    from slipstream.promotion.verdict import Verdict

    Floats = NDArray[np.float64]

_DAY = timedelta(days=1)
_RESAMPLES = 4_000  # enough for a histogram; the bounds come from the check
_MOST_SLICES = 40
_CUT = 0.5


def pictures(verdict: Verdict, model: Model, evidence: Evidence | None) -> list[Section]:
    """Return what can be drawn: against a champion all of it, without one how far scores can be believed."""
    if evidence is None or not len(evidence.label):
        return []
    drawn: list[Callable[[Verdict, Model, Evidence], Section | None]] = [_reliability, _rates]
    if evidence.champion is not None:
        drawn = [_resampled, _by_block, _slices, _reliability, _worth, _flips, _rates]
    return [section for draw in drawn if (section := draw(verdict, model, evidence)) is not None]


def _window(evidence: Evidence) -> str:
    found = evidence.comparison
    return f"{found.rows:,} rows with prediction_time from {found.start:%Y-%m-%d} to {found.end:%Y-%m-%d} (UTC)."


def _check(verdict: Verdict, name: str) -> CheckResult | None:
    return next((each for each in verdict.checks if each.name == name), None)


def _setting(model: Model, check: str, name: str, default: Any) -> Any:
    settings: Any = next((each for each in model.gate if each.check == check), None)
    found = getattr(settings, name, None)
    return default if found is None else found


def _gain(verdict: Verdict, model: Model, evidence: Evidence) -> tuple[str, Floats]:
    """Return the metric and each row's gain in it: the champion's loss minus the challenger's."""
    check = _check(verdict, "metric_gain")
    named = check.numbers.get("metric") if check else None
    metric = str(named or _setting(model, "metric_gain", "metric", model.default_loss))
    champion = np.asarray(evidence.champion)
    return metric, row_losses(metric, evidence.label, champion) - row_losses(
        metric, evidence.label, evidence.challenger
    )


def _resampled(verdict: Verdict, model: Model, evidence: Evidence) -> Section | None:
    metric, gain = _gain(verdict, model, evidence)
    block = _setting(model, "metric_gain", "block", _DAY)
    blocks = evidence.blocks(block)
    if len(np.unique(blocks)) < MIN_BLOCKS:
        return None
    seed = evidence.seed("picture")
    drawn = resampled_means(gain, blocks, resamples=_RESAMPLES, seed=seed)
    check = _check(verdict, "metric_gain")
    numbers = check.numbers if check else {}
    marked = {"mean": float(gain.mean())}
    interval = None
    text = f"Mean gain in {metric} (champion's minus challenger's), drawn again {_RESAMPLES:,} times by blocks of time."
    if "lower" in numbers:
        marked["wanted above"] = float(numbers["threshold"])
        interval = (float(numbers["lower"]), float(numbers["upper"]))
        text += (
            f" The bar on the floor is the check's interval, {interval[0]:+.4g} to {interval[1]:+.4g}: it comes from "
            f"the studentised mean, so it is the more careful one."
        )
    title = f"Histogram of the mean gain in {metric} over resampled blocks"
    picture = histogram(drawn, interval=interval, marked=marked, across=f"mean gain a row, {metric}", title=title)
    return Section("Is the gain real?", text=[text, _window(evidence)], picture=picture)


def _by_block(verdict: Verdict, model: Model, evidence: Evidence) -> Section:
    metric, gain = _gain(verdict, model, evidence)
    length = _setting(model, "metric_gain", "block", _DAY)
    blocks = evidence.blocks(length)
    sums, counts = block_sums(gain, blocks)
    means = sums / counts
    check = _check(verdict, "metric_gain")
    marked = {"mean": float(gain.mean())}
    if check is not None and "lower" in check.numbers:
        marked["lower bound"] = float(check.numbers["lower"])
    text = (
        f"Champion's {metric} minus challenger's, the mean of each block of time: above zero the challenger is better. "
        f"It is better in {int((means > 0).sum())} of {len(means)} blocks; half of the blocks lie between "
        f"{np.quantile(means, 0.25):+.4g} and {np.quantile(means, 0.75):+.4g}, all between {means.min():+.4g} and "
        f"{means.max():+.4g}."
    )
    picture = bars(
        means,
        marked=marked,
        across=_blocks_from(blocks, length),
        up=f"gain a row, {metric}",
        title=f"Gain in {metric} by block of time",
    )
    return Section("Gain by block", text=[text, _window(evidence)], picture=picture)


def _blocks_from(blocks: NDArray[np.int64], length: timedelta) -> str:
    found = np.unique(blocks)
    first, last = (datetime(1970, 1, 1, tzinfo=UTC) + int(number) * length for number in (found[0], found[-1]))
    return f"{len(found)} blocks from {first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)"


def _slices(verdict: Verdict, model: Model, evidence: Evidence) -> Section | None:
    check = _check(verdict, "slices")
    found = list(check.numbers.get("slices", ())) if check else []
    if check is None or not found:
        return None
    numbers, metric = check.numbers, check.numbers["metric"]
    worst = sorted(found, key=lambda each: (each["p_holm"], -each["harm"]))
    shown = [each for each in found if each in worst[:_MOST_SLICES]]
    rows = [
        Estimate(
            name=f"{each['column'].rpartition(':')[2]} = {each['slice']}",
            value=each["harm"],
            low=each["lower"],
            high=each["upper"],
            notes=(f"{each['rows']:,}", f"{each['p_holm']:.2g}"),
            strong=each is worst[0] or each["p_holm"] <= numbers["alpha"],
        )
        for each in shown
    ]
    kept = "" if len(shown) == len(found) else f" The {len(shown)} worst of {len(found)} slices are shown."
    text = (
        f"Challenger's {metric} minus the champion's in each slice: right of zero the slice is worse off. Lines are "
        f"intervals at {1 - 2 * numbers['alpha']:.0%}, each for itself; p is after Holm, for harm beyond "
        f"{numbers['margin']:g}. A square marks the worst slice, and every one that is harmed.{kept}"
    )
    title = f"Harm by slice in {metric}, with intervals"
    across = f"harm a row, {metric}"
    picture = forest(rows, limit=float(numbers["margin"]), heads=("rows", "p"), across=across, title=title)
    return Section("Slices", text=[text, _window(evidence)], picture=picture)


def _reliability(verdict: Verdict, model: Model, evidence: Evidence) -> Section:
    del verdict
    curves = {"challenger": reliability(evidence.label, evidence.challenger)}
    if evidence.champion is not None:
        curves["champion"] = reliability(evidence.label, evidence.champion)
    chance = model.task == "binary_classification"
    across, up = ("predicted chance", "observed share") if chance else ("prediction", "label")
    text = f"Mean {up} against mean {across} in ten equally filled bins; on the dashed line they agree."
    picture = lines(curves, across=across, up=up, title=f"Reliability: mean {up} against mean {across}")
    return Section("Reliability", text=[text, _window(evidence)], picture=picture)


def _worth(verdict: Verdict, model: Model, evidence: Evidence) -> Section | None:
    from slipstream.promotion.checks.value import worth as worth_of

    check = _check(verdict, "value")
    settings: Any = next((each for each in model.gate if each.check == "value"), None)
    if check is None or settings is None or "champion_a_day" not in check.numbers:
        return None
    ours, theirs = (
        worth_of(model, evidence.label, score, settings)
        for score in (evidence.challenger, np.asarray(evidence.champion))
    )
    blocks = evidence.blocks(settings.block)
    days = settings.block / _DAY
    gain = block_sums(ours - theirs, blocks)[0] / days
    numbers, unit = check.numbers, settings.unit
    marked = {"mean": float(gain.mean())}
    interval = "."
    if "lower" in numbers:
        marked["lower bound"] = float(numbers["lower"])
        interval = f", with {1 - 2 * numbers['alpha']:.0%} confidence between {numbers['lower']:+.2f} and "
        interval += f"{numbers['upper']:+.2f}."
    text = (
        f"What predictions by the challenger are worth more than the champion's, {unit} a day in each block. Over the "
        f"window {gain.sum() * days:+,.2f} {unit} in all; a day {gain.mean():+.2f}{interval}"
    )
    title, across = f"Gain in {unit} a day by block of time", _blocks_from(blocks, settings.block)
    picture = bars(gain, marked=marked, across=across, up=f"gain, {unit} a day", title=title)
    return Section("Value", text=[text, _window(evidence)], picture=picture)


def _flips(verdict: Verdict, model: Model, evidence: Evidence) -> Section:
    ours, theirs = evidence.challenger, np.asarray(evidence.champion)
    if model.task != "binary_classification":
        moved = ours - theirs
        text = (
            f"Challenger's prediction against the champion's, row by row; on the dashed line they agree. Half of the "
            f"rows move by less than {np.median(np.abs(moved)):.4g}, one in twenty by more than "
            f"{np.quantile(np.abs(moved), 0.95):.4g}; the mean moves by {moved.mean():+.4g}."
        )
        cut, corners = None, ("", "")
        across, up = "champion's prediction", "challenger's prediction"
    else:
        cut = float(_setting(model, "stability", "threshold", _setting(model, "value", "threshold", _CUT)))
        corners, text = _turned(evidence.label > 0.5, ours >= cut, theirs >= cut, cut)
        across, up = "champion's score", "challenger's score"
    picture = cells(theirs, ours, cut=cut, corners=corners, across=across, up=up, title=f"{up} against {across}")
    dark = "The darker a cell, the more rows, on a logarithmic scale."
    return Section("Flips" if cut is not None else "Shift", text=[text, dark, _window(evidence)], picture=picture)


def _turned(true: NDArray[np.bool_], ours: NDArray[np.bool_], theirs: NDArray[np.bool_], cut: float) -> Any:
    """Return what to write into the corners, and in words how many decisions flip, and how many rightly."""
    to_yes, to_no = ours & ~theirs, ~ours & theirs
    right_yes, right_no = int((to_yes & true).sum()), int((to_no & ~true).sum())
    yes, no = int(to_yes.sum()), int(to_no.sum())
    share = (yes + no) / len(true)
    text = (
        f"Challenger's score against the champion's, row by row. With a yes from {cut:g} on, {share:.2%} of the "
        f"decisions flip: {yes:,} to yes, of which {right_yes:,} are right, and {no:,} to no, of which {right_no:,} "
        f"are right."
    )
    return (f"{yes:,} to yes", f"{no:,} to no"), text


def _rates(verdict: Verdict, model: Model, evidence: Evidence) -> Section | None:
    del model
    check = _check(verdict, "fairness")
    columns = [each for each in (check.numbers.get("columns", ()) if check else ()) if "challenger" in each]
    if not columns:
        return None
    roles = [role for role in ("challenger", "champion") if role in columns[0]]
    found = [
        Dots(f"{each['column'].rpartition(':')[2]} = {name}", {role: each[role]["rates"][name] for role in roles})
        for each in columns
        for name in each["challenger"]["rates"]
    ][:_MOST_SLICES]
    text = "Share of each group for which the decision is yes; groups with too few rows are left out."
    picture = dots(found, across="share of yes", title="Share of yes by group")
    return Section("Selection rates", text=[text, _window(evidence)], picture=picture)
