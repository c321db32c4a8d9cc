"""A version's reference sample, ready to be compared with and to draw windows from, and what is noise in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.errors import FatalError
from slipstream.intervals import Schedule
from slipstream.metrics import row_losses
from slipstream.monitoring.columns import SCORE, Noise, columns_frame, compare_columns
from slipstream.monitoring.importance import Importance, importance_of
from slipstream.monitoring.resampling import Days, windows_of
from slipstream.monitoring.shifts import Rows
from slipstream.promotion.frames import NUMBER

if TYPE_CHECKING:
    import pyarrow as pa

    from slipstream.definitions import Model
    from slipstream.monitoring.distances import Floats
    from slipstream.promotion import LoadedModel, Registry

DAY = timedelta(days=1)
LOSSES = {"binary_classification": "log_loss", "regression": "absolute_error"}
DRAWN, AT_ONCE, DIGITS, KEPT = 1000, 50, 6, 16
FORMAT = 1  # of what is kept: to be raised when noise is found another way
_kept: dict[Any, Baseline] = {}


@dataclass(frozen=True)
class Baseline:
    """What a version was like while it was validated.

    Attributes:
        reference: Its reference sample, whole.
        rate: Predictions a day while it was trained.
        run_id: Of its run, where what is costly to find is kept; None: found anew.
    """

    model: Model
    registry: Registry
    loaded: LoadedModel
    reference: pa.Table
    rate: float
    run_id: str | None = None

    @cached_property
    def importance(self) -> Importance:
        return importance_of(self.registry, self.loaded.model, self.loaded.version)

    @property
    def weights(self) -> Mapping[str, float]:
        return self.importance.shares

    @cached_property
    def usual(self) -> Rows:
        frame = columns_frame(self.reference, self.kinds)
        label = self.reference["label"].to_numpy().astype(np.float64)
        return Rows(frame, label, np.ones(len(label)))

    @cached_property
    def days(self) -> Days:
        return Days.of(self.reference["prediction_time"].to_pylist())

    @property
    def kinds(self) -> dict[str, str]:
        return {**self.loaded.kinds, SCORE: NUMBER}

    @property
    def length(self) -> int:
        """Days of a window."""
        return max(1, round(self.model.monitoring.window / DAY))

    @property
    def step(self) -> int:
        """Days from one window to the next; a schedule of several windows a day counts as one."""
        first = Schedule(self.model.monitoring.schedule).interval_at(self.model.start)
        return max(1, round(first.length / DAY))

    @property
    def lag(self) -> int:
        """Days until labels are mature."""
        return -(-self.model.label.maturity // DAY)

    @property
    def per_day(self) -> float:
        """Rows of a day in a window's sample."""
        return min(float(self.model.monitoring.sample), self.rate * self.length) / self.length

    def enough(self, drawn: int) -> bool:
        """Say whether a window is judged of which ``drawn`` rows were drawn as its sample."""
        return round(drawn * self.rate / self.per_day) >= self.model.monitoring.min_rows

    @cached_property
    def reference_loss(self) -> float:
        return float(self.loss(self.usual).mean())

    def loss(self, rows: Rows) -> Floats:
        return row_losses(LOSSES[self.model.task], rows.label, rows.frame[SCORE].to_numpy())

    @cached_property
    def noise(self) -> Noise:
        """What ``find_noise`` returns, kept with the version's run: every window of a version asks for the same."""
        if not self.model.monitoring.noise_quantile:
            return Noise()
        if self.run_id is None:
            return self.find_noise()
        path = f"monitoring/noise-{self._asked}.json"
        kept = self.registry.document(self.run_id, path)
        with suppress(TypeError, ValueError):  # nothing, or what a killed task left of it
            return Noise(**json.loads(kept or ""))
        found = self.find_noise()
        self.registry.log_document(self.run_id, {path: json.dumps(asdict(found), sort_keys=True)})
        return found

    def find_noise(self) -> Noise:
        """Return how far windows of the reference are from it, though nothing has shifted: a quantile of each number.

        Whole days are drawn, since rows of one day have its weather, or its news, in common: Efron and Tibshirani, An
        Introduction to the Bootstrap (1993), section 8.6. The draws are the same each time.
        """
        bounds, dice = self.model.monitoring, np.random.default_rng(self.model.seed)
        now = np.concatenate([self._drawn(AT_ONCE, dice) for _ in range(DRAWN // AT_ONCE)])
        found = compare_columns(self.usual.frame, now, np.ones(len(self.usual.label)), self.kinds, bounds)
        loss = now @ self.loss(self.usual) / np.maximum(now.sum(axis=1), 1)
        return Noise(
            distances={name: _quantile(each.values, bounds.noise_quantile) for name, each in found.items()},
            missing={
                name: _quantile(each.missing - each.reference_missing, bounds.noise_quantile)
                for name, each in found.items()
            },
            loss=_quantile(loss, bounds.noise_quantile),
        )

    @property
    def _asked(self) -> str:
        """Digest of all that the noise depends on, beside the version itself."""
        bounds = self.model.monitoring.model_dump(mode="json")
        parts = [FORMAT, bounds, self.model.seed, self.rate, DRAWN, AT_ONCE]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _drawn(self, windows: int, dice: np.random.Generator) -> Floats:
        days = self.days.draw(windows * self.length, dice)
        return windows_of(self.days.counts(days, self.usual.weight, self.per_day, dice), self.length, self.length)


def _quantile(values: Floats, share: float) -> float:
    known = values[np.isfinite(values)]
    return round(float(np.quantile(known, share)), DIGITS) if len(known) else 0.0


def open_baseline(model: Model, version: str, registry: Registry, *, keep: bool = True) -> Baseline:
    """Return what a version is compared with, kept in memory for the next time; FatalError without a reference.

    With ``keep``, what is costly to find is kept with the version's run, too, for the next process.
    """
    key = (registry.tracking_uri, model.name, str(version), model.monitoring, model.label.maturity, model.seed, keep)
    if key not in _kept:
        while len(_kept) >= KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[key] = _open(model, str(version), registry, keep)
    return _kept[key]


def _open(model: Model, version: str, registry: Registry, keep: bool) -> Baseline:
    details, reference = registry.details(model.name, version), registry.reference(model.name, version)
    if not reference.num_rows:
        message = f"{model.name} version {version} has no reference rows to compare with. Train a version anew."
        raise FatalError(message)
    days = max((details.train_end - details.train_start) / DAY, 1)
    rows = registry.dataset_rows(details.run_id) or reference.num_rows
    loaded, run_id = registry.load(model.name, version), details.run_id if keep else None
    return Baseline(model, registry, loaded, reference, rows / days, run_id)
