"""The verdict as a page: what follows and why, every number behind it, and two pictures of the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.metrics import row_losses
from slipstream.promotion.charts import bars, lines, reliability
from slipstream.promotion.pages import Section, facts, numbers_of, to_html
from slipstream.promotion.resampling import block_sums

if TYPE_CHECKING:
    from slipstream.definitions import Model
    from slipstream.promotion.gate import CheckResult, Evidence
    from slipstream.promotion.verdict import Verdict

_DAY = timedelta(days=1)


def verdict_page(verdict: Verdict, model: Model, evidence: Evidence | None) -> str:
    """Return the report of a verdict as self-contained HTML; without evidence it has no pictures."""
    against = f"against champion {verdict.champion}" if verdict.champion else "with no champion yet"
    title = f"{verdict.model} version {verdict.challenger}, {against}: {verdict.outcome}"
    checks = [{"check": each.name, "outcome": each.outcome, "why": each.sentence} for each in verdict.checks]
    sections = [
        Section("Outcome", text=[f"{verdict.outcome.capitalize()}. {verdict.reason}"]),
        Section("Checks", rows=checks),
        *pictures(verdict, model, evidence),
        *(section for each in verdict.checks for section in numbers_of(f"Numbers of {each.name}", each.numbers)),
        compared(verdict),
        Section("Settings of the gate", rows=[dict(each) for each in verdict.gate]),
    ]
    return to_html(title, [each for each in sections if each.text or each.rows or each.picture])


def compared(verdict: Verdict) -> Section:
    """Return what was compared, by which rules, and when."""
    found = verdict.comparison
    about = {
        "rows": found.rows,
        "from": found.start,
        "to": found.end,
        "labels_known_at": found.as_of,
        "digest_of_the_rows": found.digest,
        "tables_and_versions": dict(sorted(found.versions.items())),
        "definition": verdict.definition_digest,
        "code": verdict.code_version,
        "decided_at": verdict.decided_at,
        "digest_of_the_verdict": verdict.digest,
    }
    return Section("What was compared", rows=facts(about))


def pictures(verdict: Verdict, model: Model, evidence: Evidence | None) -> list[Section]:
    """Return the difference by block, where there is a champion, and how far scores can be believed."""
    if evidence is None:
        return []
    found = [_calibration(model, evidence)]
    return [_differences(verdict, model, evidence), *found] if evidence.champion is not None else found


def _calibration(model: Model, evidence: Evidence) -> Section:
    curves = {"challenger": reliability(evidence.label, evidence.challenger)}
    if evidence.champion is not None:
        curves["champion"] = reliability(evidence.label, evidence.champion)
    chance = model.task == "binary_classification"
    across, up = ("predicted chance", "observed share") if chance else ("prediction", "label")
    text = f"Mean {up} against mean {across} in ten equally filled bins; on the dashed line they agree."
    return Section("Reliability", text=[text], picture=lines(curves, across=across, up=up))


def _differences(verdict: Verdict, model: Model, evidence: Evidence) -> Section:
    check = next((each for each in verdict.checks if each.name == "metric_gain"), None)
    metric, length = _metric_and_block(model, check)
    champion = evidence.champion if evidence.champion is not None else evidence.challenger
    gain = row_losses(metric, evidence.label, champion) - row_losses(metric, evidence.label, evidence.challenger)
    blocks = evidence.blocks(length)
    sums, counts = block_sums(gain, blocks)
    means, numbers = sums / counts, np.unique(blocks)
    marks = {"mean": float(gain.mean())}
    if check is not None and "lower" in check.numbers:
        marks["lower bound"] = float(check.numbers["lower"])
    first, last = (datetime(1970, 1, 1, tzinfo=UTC) + int(number) * length for number in (numbers[0], numbers[-1]))
    text = (
        f"Champion's {metric} minus challenger's, the mean of each block of time: above zero the challenger is better. "
        f"It is better in {int((means > 0).sum())} of {len(means)} blocks; half of the blocks lie between "
        f"{np.quantile(means, 0.25):+.4g} and {np.quantile(means, 0.75):+.4g}, all between {means.min():+.4g} and "
        f"{means.max():+.4g}."
    )
    across = f"blocks from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return Section("Gain by block", text=[text], picture=bars(means, marks=marks, across=across, up=f"gain, {metric}"))


def _metric_and_block(model: Model, check: CheckResult | None) -> tuple[str, timedelta]:
    settings: Any = next((each for each in model.gate if each.check == "metric_gain"), None)
    metric = (check.numbers.get("metric") if check else None) or getattr(settings, "metric", None)
    return metric or model.default_loss, getattr(settings, "block", None) or _DAY
