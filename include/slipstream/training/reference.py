"""The rows that a version is compared with while it is watched: whole weeks, scored by what had not seen them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from slipstream.intervals import utc
from slipstream.training.dataset import LABEL, TIME, Part, count_from, part, together
from slipstream.training.fitting import fit

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.definitions import Model

WEEK = timedelta(days=7)


def reference_rows(
    model: Model,
    params: Mapping[str, Any],
    honest: Any,
    train: Part,
    validation: Part,
    kinds: Mapping[str, str],
    end: datetime,
) -> pa.Table:
    """Return at most ``monitoring.sample`` rows before ``end`` (UTC) with label and honest score: whole weeks of them.

    They are the last whole weeks of the validation part, scored by ``honest``, which was fitted on ``train``. Where it
    is shorter than a week, they are the last week before ``end``, scored by an estimator fitted on what is before; and
    where too little is before, the validation part as it is.
    """
    from slipstream.promotion.loading import predict

    weeks = (end - _first(validation)) // WEEK
    start = end - max(weeks, 1) * WEEK
    if weeks < 1 and (earlier := _before(model, train, start, kinds)) is not None:
        honest, validation = fit(model, params, earlier), together(train, validation, kinds)
    found = validation.rows.num_rows - count_from(validation.rows, start)
    kept = part(validation.rows.slice(found), kinds)
    return sample(kept.rows, predict(model.task, honest, kept.frame), model=model)


def _first(rows: Part) -> datetime:
    import pyarrow.compute as pc

    return utc(pc.min(rows.rows[TIME]).as_py())


def _before(model: Model, train: Part, start: datetime, kinds: Mapping[str, str]) -> Part | None:
    """Return the training rows before ``start`` if they are enough to fit on: a week, of both classes."""
    import numpy as np

    rows = train.rows.slice(0, train.rows.num_rows - count_from(train.rows, start))
    if not rows.num_rows or rows.num_rows < model.training.min_rows / 2:
        return None
    earlier = part(rows, kinds)
    one_class = model.task == "binary_classification" and len(np.unique(rows[LABEL].to_numpy())) < 2
    return None if one_class or start - _first(earlier) < WEEK else earlier


def sample(rows: pa.Table, score: NDArray[np.float64], *, model: Model) -> pa.Table:
    """Return at most ``monitoring.sample`` scored rows, chosen by a hash of their key: the same rows each time."""
    import pyarrow as pa

    names = [*model.key, TIME]
    order = key_hash(rows.select(names)).argsort(kind="stable")[: model.monitoring.sample]
    columns = [*names, *model.feature_columns, LABEL]
    chosen = rows.select(columns).append_column("score", pa.array(score))
    return chosen.take(pa.array(sorted(order.tolist()), pa.int64()))


def key_hash(keys: pa.Table) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row's key, the same in every process."""
    import hashlib

    import numpy as np

    digests = (hashlib.blake2b(repr(tuple(row.values())).encode(), digest_size=8).digest() for row in keys.to_pylist())
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
