"""One number that monitoring found, and the table that keeps them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["data_quality", "drift", "prediction_drift", "performance", "verdict", "decision"]


@dataclass(frozen=True)
class Measurement:
    """One metric of one window.

    Attributes:
        kind: Which of the verdicts it belongs to.
        metric: A feature's column, ``score``, or the name of a loss.
        method: How it was measured, by Evidently's or scikit-learn's name.
        value: None where there were too few values to measure.
        threshold: What it is compared with.
        alarm: Whether it is beyond the threshold.
        rows: Rows of the window that it was measured on.
        reference_rows: Rows that they were compared with.
        note: What a reader should know, in words.
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

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measurements(values: Iterable[Mapping[str, Any]]) -> tuple[Measurement, ...]:
    """Read measurements back from ``as_dict``."""
    return tuple(Measurement(**value) for value in values)


def schema() -> pa.Schema:
    """Return the columns of ``monitoring/<model>``; times are UTC."""
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
        ]
    )
