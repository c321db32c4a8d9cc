"""One training, by the calls of the training tasks, without MLflow: the same candidates, the same choice, the same fit.

A training at a time gives the same version whichever policy asked for it, so it is made once. All that is asked of a
version afterwards is kept with it: its scores of every later row, and its reference sample.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstream.intervals import iso, utc

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from slipstream.backtest.rows import Rows
    from slipstream.backtest.store import Store
    from slipstream.definitions import Model
    from slipstream.intervals import Interval
    from slipstream.promotion import LoadedModel
    from slipstream.training import Candidate

_MOMENTS = ("as_of", "train_start", "train_end")


@dataclass(frozen=True)
class Version:
    """What one training came to; ``folder`` holds its scores, reference sample and estimator.

    Attributes:
        version: A name that says its time.
        key: The training's, as a run of MLflow carries it.
        digest: Of the training rows, as a registered version carries it.
        loss: Of the chosen candidate on the validation part.
        first: Number of the first row of the population that it scored: those before may be its training's.
        seconds: Of processor time, over all threads; what a busy machine does beside does not count.
    """

    version: str
    key: str
    as_of: datetime
    train_start: datetime
    train_end: datetime
    rows: int
    digest: str
    params: Mapping[str, Any]
    loss: float
    baseline: float
    first: int
    kinds: Mapping[str, str]
    seconds: float
    folder: str = ""
    run_id: str = ""

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Its scores of the population's rows from number ``first`` on."""
        found: NDArray[np.float64] = np.load(Path(self.folder) / "scores.npy")
        return found

    def score(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return its scores of the rows with these numbers, none of which it was trained on."""
        return self.scores[numbers - self.first]

    @cached_property
    def reference(self) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(Path(self.folder) / "reference.parquet", partitioning=None)

    def load(self, model: Model) -> LoadedModel:
        """Return it as the registry would, for the checks that score anew."""
        from slipstream.promotion.loading import MODEL_FILE, LoadedModel, load_estimator

        path = Path(self.folder) / MODEL_FILE
        estimator = load_estimator(path, who=f"The kept training of {model.name} at {self.version}")
        return LoadedModel(model.name, self.version, model.task, self.kinds, estimator, path.stat().st_size)


def trained(model: Model, as_of: datetime, rows: Rows, store: Store) -> Version:
    """Return the version of a training at ``as_of`` (UTC); trained where it is not there yet.

    Raises:
        FatalError: Too few rows, one class only, or a fit that fails.
    """
    from slipstream.training import training_key

    key = training_key(model, as_of)
    folder = store.remember_folder("versions", key, lambda target: _train(model, as_of, rows, target))
    plain = json.loads((folder / "version.json").read_text(encoding="utf-8"))
    return Version(**{**plain, **{name: utc(plain[name]) for name in _MOMENTS}, "folder": str(folder)})


@dataclass(frozen=True)
class _Fitted:
    """What the training tasks come to: the choice among the candidates, and what is fitted for it."""

    best: Candidate
    final: Any
    kinds: Mapping[str, str]
    reference: pa.Table
    baseline: float


def _train(model: Model, as_of: datetime, rows: Rows, folder: Path) -> None:
    import pyarrow.parquet as pq
    import skops.io

    from slipstream.backtest.rows import ROW
    from slipstream.lake import digest_rows
    from slipstream.promotion.frames import model_frame
    from slipstream.promotion.loading import MODEL_FILE, predict
    from slipstream.training import training_key
    from slipstream.training.dataset import training_span

    began, span = time.process_time(), training_span(model, as_of)
    known = rows.known(span.start, span.end, as_of).drop_columns([ROW])
    fitted = _fit(model, known, span, as_of)
    seconds = time.process_time() - began
    later, first = rows.predicted(span.end, utc("9999-01-01"))
    np.save(folder / "scores.npy", predict(model.task, fitted.final, model_frame(later, fitted.kinds)))
    pq.write_table(fitted.reference, folder / "reference.parquet")
    skops.io.dump(fitted.final, folder / MODEL_FILE)
    found = Version(
        version=iso(as_of),
        key=training_key(model, as_of),
        as_of=as_of,
        train_start=span.start,
        train_end=span.end,
        rows=known.num_rows,
        digest=digest_rows(known).hex,
        params=dict(fitted.best.params),
        loss=fitted.best.loss,
        baseline=fitted.baseline,
        first=first,
        kinds=dict(fitted.kinds),
        seconds=seconds,
    )
    plain = {**asdict(found), **{name: iso(getattr(found, name)) for name in _MOMENTS}}
    (folder / "version.json").write_text(json.dumps(plain), encoding="utf-8")


def _fit(model: Model, known: pa.Table, span: Interval, as_of: datetime) -> _Fitted:
    """Do what ``build_training_set``, ``fit_candidate`` and ``register_challenger`` do with these rows."""
    from slipstream.promotion.loading import predict
    from slipstream.training.challenger import baseline, best_candidate
    from slipstream.training.dataset import check_rows, check_split, count_from, split, together, validation_start
    from slipstream.training.fitting import Candidate, fit, mean_loss
    from slipstream.training.reference import reference_rows

    check_rows(model, known, as_of)
    boundary = validation_start(known, span.end, model.training.validation_share)
    cut = known.num_rows - count_from(known, boundary)
    check_split(model, known, cut, boundary)
    train, validation, kinds = split(model, known, cut)
    fitted, candidates = {}, []
    for index, params in enumerate(model.training.grid()):
        fitted[index] = fit(model, params, train)
        loss = mean_loss(model, validation, predict(model.task, fitted[index], validation.frame))
        candidates.append(Candidate(model.name, index, params, loss, {}, ""))
    best = best_candidate(model, candidates)
    # Fitting it once more on the same rows, as the task does that registers it, would give the same.
    honest = fitted[best.index]
    reference = reference_rows(model, best.params, honest, train, validation, kinds, span.end)
    whole = together(train, validation, kinds) if model.training.refit else train
    final = fit(model, best.params, whole) if model.training.refit else honest
    return _Fitted(best, final, kinds, reference, baseline(model, whole))
