"""One number that monitoring found, and the table that keeps them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal[
    "data_quality",
    "drift",
    "prediction_drift",
    "target_drift",
    "performance",
    "significance",
    "verdict",
]
REFERENCE = "reference"


@dataclass(frozen=True)
class Measurement:
    """One metric of one window.

    Attributes:
        kind: Which of the verdicts it belongs to; ``target_drift`` and ``significance`` belong to none.
        metric: A feature's column, ``score``, ``label``, or the name of a loss.
        method: How it was measured, by Evidently's, SciPy's or scikit-learn's name.
        value: None where there were too few values to measure.
        threshold: What it is compared with.
        alarm: Whether it is beyond the threshold.
        rows: Rows of the window that it was measured on.
        reference_rows: Rows that they were compared with.
        note: What a reader should know, in words.
        weight: The feature's share of the version's attributions; None where it has none.
        compared_with: ``reference``, ``week_before`` or ``year_before``; only the first one is judged.
    """

    kind: Kind
    metric: str
    method: str
    value: float | None
    threshold: float | None
    alarm: bool
    rows: int
    reference_rows: int
    note: str = ""
    weight: float | None = None
    compared_with: str = REFERENCE

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measurements(values: Iterable[Mapping[str, Any]]) -> tuple[Measurement, ...]:
    """Read measurements back from ``as_dict``."""
    return tuple(Measurement(**value) for value in values)


def schema() -> pa.Schema:
    """Return the columns of ``monitoring/<model>``; times are UTC. Rows of before a column was added have null there.

    So ``weight`` and ``compared_with`` may be null: the latter then means the reference.
    """
    import pyarrow as pa

    time = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            ("window_start", time),
            ("window_end", time),
            ("model_version", pa.string()),
            ("kind", pa.string()),
            ("metric", pa.string()),
            ("method", pa.string()),
            ("value", pa.float64()),
            ("threshold", pa.float64()),
            ("alarm", pa.bool_()),
            ("rows", pa.int64()),
            ("reference_rows", pa.int64()),
            ("note", pa.string()),
            ("event_time", time),
            ("known_at", time),
            ("weight", pa.float64()),
            ("compared_with", pa.string()),
        ]
    )
