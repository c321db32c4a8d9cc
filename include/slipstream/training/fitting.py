"""One candidate: fitted on the training part, measured on the validation part, kept as a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError
from slipstream.metrics import row_losses, summary
from slipstream.promotion.registry import PREFIX
from slipstream.promotion.tracking import client_of, set_tags, speaks_mlflow
from slipstream.training.dataset import read_parts
from slipstream.training.runs import log_dataset, log_numbers, open_candidate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from slipstream.definitions import Model
    from slipstream.lake import Run
    from slipstream.settings import Settings
    from slipstream.training.dataset import Part, TrainingSet

_RESULT = f"{PREFIX}result"


@dataclass(frozen=True)
class Candidate:
    """A fitted parameter set.

    Attributes:
        loss: The model's default loss on the validation part, a mean over rows; the least of all candidates wins.
        metrics: ``train.<metric>`` and ``validation.<metric>``; what could not be computed is not there.
    """

    model: str
    index: int
    params: Mapping[str, Any]
    loss: float
    metrics: Mapping[str, float]
    run_id: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "params": dict(self.params), "metrics": dict(self.metrics)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Candidate:
        return cls(**values)


def candidate_params(model: Model, index: int) -> dict[str, Any]:
    """Return the parameters of candidate ``index`` of the grid; FatalError where there is no such one."""
    grid = model.training.grid()
    if not 0 <= index < len(grid):
        message = f"Model {model.name!r} has candidates 0 to {len(grid) - 1}; found {index}. The grid may have changed."
        raise FatalError(message)
    return grid[index]


@speaks_mlflow
def fit_candidate(model: Model, training_set: TrainingSet, index: int, *, settings: Settings, run: Run) -> Candidate:
    """Fit candidate ``index`` and log it as a run below the parent; done once already, its result is read back.

    Raises:
        DefinitionError: estimator.py does not build.
        FatalError: The fit fails on these rows.
    """
    params = candidate_params(model, index)
    client = client_of(settings.tracking_uri)
    child = open_candidate(client, model, training_set, index, settings=settings)
    done = child.data.tags.get(_RESULT)
    if child.info.status == "FINISHED" and done is not None:
        # A set that was built again from newer data is another set: its candidate replaces this run's result, until
        # the version is registered.
        same = child.data.tags.get(f"{PREFIX}training_set_digest") == training_set.digest
        if same or client.get_run(training_set.run_id).info.status == "FINISHED":
            return Candidate.from_dict(json.loads(done))
    run_id = child.info.run_id
    client.update_run(run_id, status="RUNNING")
    train, validation, _ = read_parts(model, training_set, settings=settings)
    estimator = fit(model, params, train)
    metrics, loss = measure(model, estimator, train, validation)
    result = Candidate(model=model.name, index=index, params=params, loss=loss, metrics=metrics, run_id=run_id)
    log_dataset(client, run_id, model, training_set)
    log_numbers(client, run_id, params={**params, "random_state": model.seed}, metrics=metrics)
    who = {f"{PREFIX}run.{name}": value for name, value in run.as_dict().items() if value is not None}
    digest = {f"{PREFIX}training_set_digest": training_set.digest}
    set_tags(client, run_id, {**who, **digest, _RESULT: json.dumps(result.as_dict())})
    client.set_terminated(run_id, "FINISHED")
    return result


def fit(model: Model, params: Mapping[str, Any], rows: Part) -> Any:
    """Return a new estimator of ``params`` fitted on ``rows``."""
    from slipstream.training.estimator import build_estimator

    estimator = build_estimator(model, params)
    label = rows.label.astype("int64") if model.task == "binary_classification" else rows.label
    try:
        return estimator.fit(rows.frame, label)
    except Exception as error:
        message = (
            f"Model {model.name!r}: fitting {dict(params)} on {len(label)} rows failed: {type(error).__name__}: "
            f"{error}. An estimator gets numbers as float64 with NaN and words with None for what is missing."
        )
        raise FatalError(message) from error


def measure(model: Model, estimator: Any, train: Part, validation: Part) -> tuple[dict[str, float], float]:
    """Return the metrics on both parts, and the mean default loss on the validation part."""
    import math

    from slipstream.promotion.loading import predict

    metrics: dict[str, float] = {}
    loss = math.nan
    for name, rows in (("train", train), ("validation", validation)):
        score = predict(model.task, estimator, rows.frame)
        metrics |= {f"{name}.{key}": value for key, value in summary(model.task, rows.label, score).items()}
        loss = mean_loss(model, rows, score)
    return {name: value for name, value in metrics.items() if math.isfinite(value)}, loss


def mean_loss(model: Model, rows: Part, score: NDArray[np.float64]) -> float:
    """Return the mean default loss of ``score``, shape ``(n,)``; of the validation part, candidates compete for it."""
    return float(row_losses(model.default_loss, rows.label, score).mean())
