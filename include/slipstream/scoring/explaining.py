"""Reasons that are stored with predictions: the baseline, and the features that contributed most to each score."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.attribution import Attributions
    from slipstream.definitions import Model
    from slipstream.lake.scratch import Scratch
    from slipstream.promotion import LoadedModel

    Floats = NDArray[np.float64]
    Scores = tuple[pa.RecordBatch, Floats]
    Chosen = tuple[pa.RecordBatch, Floats, NDArray[np.bool_]]

ROWS_AT_ONCE = 8_192  # whose features are held as words; a row's reasons do not depend on the rows around it
_SCORE = " score"  # no column of a population can have this name


def reason_fields() -> list[pa.Field]:
    """Return the columns that a prediction with reasons has beside the others; both are null where it has none."""
    import pyarrow as pa

    reason = pa.struct([("feature", pa.string()), ("value", pa.string()), ("contribution", pa.float64())])
    return [pa.field("baseline", pa.float64()), pa.field("reasons", pa.list_(pa.field("element", reason)))]


def require_explainable(model: Model, version: LoadedModel, *, asked: bool = False) -> None:
    """Raise SchemaError where reasons are wanted (by model.yaml, or ``asked`` for) that the version cannot give."""
    from slipstream.attribution import refusal

    reason = refusal(version.estimator) if asked or model.scoring.explain else None
    if reason:
        remedy = "Ask about a prediction of a version that can be explained."
        if not asked:
            remedy = "scoring.explain wants reasons: promote a version that gives them, or remove scoring.explain."
        message = f"Version {version.version} of {model.name!r} cannot be explained: {reason}. {remedy}"
        raise SchemaError(message)


def every_row(scored: Iterator[Scores]) -> Iterator[Chosen]:
    """Choose all rows."""
    for batch, scores in scored:
        yield batch, scores, np.ones(len(scores), dtype=np.bool_)


def highest_rows(
    scored: Iterator[Scores], fraction: float, *, key: Sequence[str], schema: pa.Schema, scratch: Scratch, path: str
) -> Iterator[Chosen]:
    """Choose the share ``fraction`` of all rows with the highest scores, rounded up; a hash of the key breaks ties.

    Which they are is known after the last score, so the rows wait in staging until then; 16 bytes a row are held.
    """
    import pyarrow as pa

    scores: list[Floats] = []
    hashes: list[NDArray[np.uint64]] = []

    def noted() -> Iterator[pa.RecordBatch]:
        for batch, found in scored:
            scores.append(found)
            hashes.append(_key_hash(batch, key))
            yield batch.append_column(_SCORE, pa.array(found, pa.float64()))

    try:
        rows = scratch.write(path, schema.append(pa.field(_SCORE, pa.float64())), noted())
        chosen = np.zeros(rows, dtype=np.bool_)
        if rows:
            order = np.lexsort((np.concatenate(hashes), -np.concatenate(scores)))
            chosen[order[: math.ceil(fraction * rows)]] = True
        begin = 0
        for batch in scratch.batches(path):
            end = begin + batch.num_rows
            yield batch, batch.column(_SCORE).to_numpy(), chosen[begin:end]
            begin = end
    finally:
        scratch.remove(path)


def reason_columns(
    champion: LoadedModel, batch: pa.RecordBatch, chosen: NDArray[np.bool_], *, names: Sequence[str], top: int
) -> list[pa.Array]:
    """Return the columns of ``reason_fields`` for a batch of features; null where a row is not chosen.

    Args:
        names: What to call the version's features, in its order.
        top: So many reasons at most, the largest contribution first; one of exactly 0 is none.
    """
    import pyarrow as pa

    baseline, reasons = reason_fields()
    wanted = np.flatnonzero(chosen)
    rows = pa.Table.from_batches([batch]).take(pa.array(wanted))
    parts = []
    for begin in range(0, len(wanted), ROWS_AT_ONCE):
        some = rows.slice(begin, ROWS_AT_ONCE)
        parts.append(reasons_of(champion.attribute(some), some, names=names, top=top).cast(reasons.type))
    places = np.cumsum(chosen) - 1
    found = pa.concat_arrays(parts) if parts else pa.nulls(0, reasons.type)
    level = champion.explainer.baseline if len(wanted) else 0.0
    return [
        pa.array(np.full(len(chosen), level), baseline.type, mask=~chosen),
        found.take(pa.array(places, pa.int64(), mask=~chosen)),
    ]


def reasons_of(found: Attributions, rows: pa.Table, *, names: Sequence[str], top: int) -> pa.Array:
    """Return each row's largest contributions as a list of structs; equal ones in the order of the features."""
    import pyarrow as pa

    size = np.abs(found.contributions)
    order = np.argsort(-size, axis=1, kind="stable")[:, :top]
    real = np.take_along_axis(size, order, axis=1) > 0
    row, rank = np.nonzero(real)
    feature = order[row, rank]
    words = pa.concat_arrays([_words(rows.column(name)) for name in found.features])
    struct = pa.StructArray.from_arrays(
        [
            pa.DictionaryArray.from_arrays(pa.array(feature, pa.int32()), pa.array(names, pa.string())).cast(
                pa.string()
            ),
            words.take(pa.array(feature * len(size) + row, pa.int64())),
            pa.array(found.contributions[row, feature], pa.float64()),
        ],
        names=["feature", "value", "contribution"],
    )
    ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(real.sum(axis=1))])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), struct)


def _words(values: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain: Any = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    if pa.types.is_floating(plain.type):
        plain = pc.if_else(pc.is_nan(plain), None, plain)
    return plain.cast(pa.string())


def _key_hash(batch: pa.RecordBatch, key: Sequence[str]) -> NDArray[np.uint64]:
    from slipstream.lake.hashing import mix, seeds, value_lanes

    total = np.zeros(batch.num_rows, dtype=np.uint64)
    for name in (*key, "prediction_time"):
        np.add(total, value_lanes(batch.column(name), seeds(name))[0], out=total)
    return mix(total)
