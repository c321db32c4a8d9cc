"""What a version has left of a model's history, and equals that are compared on it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError, IncompleteError
from slipstream.intervals import iso
from slipstream.promotion.selftest import Blocks

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.definitions import MetricGainCheck, Model
    from slipstream.lake import Lake
    from slipstream.promotion.registry import Registry, VersionDetails

    Floats = NDArray[np.float64]

Show = Callable[[str, int, int], None]
EQUALS = 4  # fits of a kind: twelve pairs, each in either role


@dataclass(frozen=True)
class Scored:
    """The history by row: its blocks, and the loss of each estimator on it, shape ``(n,)``.

    Attributes:
        version: Losses of the version itself, scored twice.
        equals: ``seed`` and ``days``: losses of fits that differ by it.
    """

    blocks: NDArray[np.int64]
    version: tuple[Floats, Floats]
    equals: Mapping[str, list[Floats]]

    def pairs(self, name: str) -> list[Blocks]:
        """Return every two of the equals, each in either role."""
        return [self.pair(one, other) for one, other in itertools.permutations(self.equals[name], 2)]

    def pair(self, champion: Floats, challenger: Floats) -> Blocks:
        from slipstream.promotion.resampling import block_sums

        gains, rows = block_sums(champion - challenger, self.blocks)
        return Blocks(gains, block_sums(champion, self.blocks)[0], rows)


def history_since(model: Model, details: VersionDetails, source: dict[str, Any]) -> tuple[pa.Table, datetime]:
    """Return all matured rows after the version's training rows, as far as the lake goes without a gap, and its end."""
    from slipstream.features import population_set
    from slipstream.features.sets import set_inputs

    lake, definitions = source["lake"], source["definitions"]
    complete: dict[str, set[Any]] = {}

    def there(as_of: datetime) -> bool:
        needed = set_inputs(model, details.train_end, as_of, definitions=definitions, as_of=as_of)
        for each in needed:
            if each.table not in complete:
                complete[each.table] = set(lake.table(each.table).intervals())
        return bool(needed) and all(complete[each.table].issuperset(each.intervals) for each in needed)

    ends = sorted({end for given in model.label.inputs.values() for end in _ends(lake, given.table)}, reverse=True)
    end = next((each for each in ends if each > details.train_end and there(each)), None)
    if end is None:
        message = (
            f"The lake has no complete day of {model.name!r} with matured labels after {iso(details.train_end)}, where "
            f"the training rows of version {details.version} end. Ingest and materialise the days after it."
        )
        raise IncompleteError(message)
    rows = population_set(model, details.train_end, end, as_of=end, labels=True, **source).rows
    return rows, end


def _ends(lake: Lake, table: str) -> list[datetime]:
    return [each.end for each in lake.table(table).intervals()]


def window_blocks(model: Model, check: MetricGainCheck, rows: pa.Table, end: datetime) -> int:
    """Return how many blocks the newest evaluation window has; FatalError where no decision could be simulated."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from slipstream.promotion.gate import block_numbers
    from slipstream.promotion.resampling import MIN_BLOCKS

    begin = pa.scalar(end - model.evaluation.window, pa.timestamp("us", tz="UTC"))
    newest = rows.filter(pc.greater_equal(rows["prediction_time"], begin))
    window = len(set(block_numbers(newest, check.block).tolist()))
    found = len(set(block_numbers(rows, check.block).tolist()))
    if window < MIN_BLOCKS:
        message = (
            f"The newest evaluation window of {model.name!r} has {window} block(s) of time, and metric_gain decides "
            f"nothing on fewer than {MIN_BLOCKS}. Widen evaluation.window, or shorten the check's block."
        )
        raise FatalError(message)
    if found < 2 * window:
        message = (
            f"Wanted a history of at least {2 * window} blocks of time, twice an evaluation; found {found} after the "
            f"training rows. Come back when there are more days, or name an earlier version with --version."
        )
        raise FatalError(message)
    return window


def score_equals(
    model: Model,
    check: MetricGainCheck,
    details: VersionDetails,
    registry: Registry,
    rows: pa.Table,
    source: dict[str, Any],
    *,
    seed: int,
    show: Show,
) -> Scored:
    """Fit the equals, and return the loss of each, and of the version itself twice, on every row of the history.

    All have the version's parameters and training rows. ``seed``: four that differ by their seed alone. ``days``: the
    first of these, and three more whose training days were drawn anew, with replacement.
    """
    from slipstream.features import population_set
    from slipstream.metrics import row_losses
    from slipstream.promotion.frames import feature_kinds, model_frame
    from slipstream.promotion.gate import block_numbers
    from slipstream.promotion.loading import predict
    from slipstream.training.dataset import in_order, part
    from slipstream.training.fitting import fit

    span = (details.train_start, details.train_end)
    trained = in_order(population_set(model, *span, as_of=details.as_of, labels=True, **source).rows, model)
    kinds = feature_kinds(trained.schema, model.feature_columns)
    frame, label = model_frame(rows, kinds), rows.column("label").to_numpy().astype("float64")

    def loss(score: Floats) -> Floats:
        return row_losses(check.metric or model.default_loss, label, score)

    fitted: list[Floats] = []
    for place in range(2 * EQUALS - 1):
        show("Fit equals", place, 2 * EQUALS - 1)
        given = trained
        if place >= EQUALS:
            given = trained.take(_redrawn(block_numbers(trained, check.block), seed + place))
        seeded = model.model_copy(update={"seed": (seed + place) % 2**32})
        fitted.append(loss(predict(model.task, fit(seeded, details.params, part(given, kinds)), frame)))
    show("Fit equals", 2 * EQUALS - 1, 2 * EQUALS - 1)
    version = registry.load(model.name, details.version)
    itself = (loss(version.score(rows)), loss(version.score(rows)))
    if any(not math.isfinite(each.sum()) for each in (*fitted, *itself)):
        message = f"Losses on the history of {model.name!r} are not finite: no decision can be simulated."
        raise FatalError(message)
    equals = {"seed": fitted[:EQUALS], "days": [fitted[0], *fitted[EQUALS:]]}
    return Scored(block_numbers(rows, check.block), itself, equals)


def _redrawn(blocks: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the places of rows of as many blocks, drawn with replacement and in the order of time."""
    import numpy as np

    numbers = np.unique(blocks)
    drawn = np.sort(np.random.default_rng(seed).choice(numbers, size=len(numbers)))
    return np.concatenate([np.flatnonzero(blocks == number) for number in drawn])
