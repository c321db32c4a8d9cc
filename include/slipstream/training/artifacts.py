"""What a registered model consists of: the skops file, with its signature and an example."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstream.errors import FatalError
from slipstream.promotion.tracking import KEY

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

    from slipstream.definitions import Model

EXAMPLE_ROWS = 5
_READY = "READY"


def find_logged_model(client: MlflowClient, experiment: str, key: str) -> LoggedModel | None:
    """Return the logged model of a training: a finished one where there is one, else one that was begun."""
    found = client.search_logged_models([experiment], filter_string=f"tags.`{KEY}` = '{key}'")
    return min(
        found, key=lambda each: (str(each.status) != _READY, each.creation_timestamp, each.model_id), default=None
    )


def is_ready(logged: LoggedModel) -> bool:
    """Say whether a logged model was uploaded to its end."""
    return str(logged.status) == _READY


def log_estimator(
    client: MlflowClient,
    model: Model,
    estimator: Any,
    *,
    key: str,
    run_id: str,
    example: pd.DataFrame,
    kinds: Mapping[str, str],
    requirements: Sequence[str],
) -> LoggedModel:
    """Log the estimator once for ``key``, from skops; one that was begun and not finished is completed."""
    logged = begin_logged_model(client, model, key=key, run_id=run_id)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model"
        save(model, estimator, target, logged, run_id=run_id, example=example, kinds=kinds, requirements=requirements)
        client.log_model_artifacts(logged.model_id, str(target))
    return client.finalize_logged_model(logged.model_id, "READY")


def begin_logged_model(client: MlflowClient, model: Model, *, key: str, run_id: str) -> LoggedModel:
    """Return the logged model of ``key``, made now if there is none, as an output of its run; it has no files yet."""
    experiment = client.get_run(run_id).info.experiment_id
    logged = find_logged_model(client, experiment, key)
    if logged is None:
        logged = client.create_logged_model(
            experiment, name=model.name, source_run_id=run_id, tags={KEY: key}, model_type=model.task
        )
    _log_output(client, run_id, logged.model_id)
    return logged


def _log_output(client: MlflowClient, run_id: str, model_id: str) -> None:
    """Say once that the run made the model: MLflow refuses to be told twice, also by two processes at once."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    def known() -> bool:
        outputs = client.get_run(run_id).outputs
        return outputs is not None and model_id in {each.model_id for each in outputs.model_outputs}

    if known():
        return
    try:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    except MlflowException:
        if not known():
            raise


def save(
    model: Model,
    estimator: Any,
    target: Path,
    logged: LoggedModel,
    *,
    run_id: str,
    example: pd.DataFrame,
    kinds: Mapping[str, str],
    requirements: Sequence[str],
) -> None:
    """Write the folder that MLflow calls a model. Nothing is inferred, so no subprocess is started."""
    import mlflow.sklearn
    from mlflow.models import Model as MlflowModel

    from slipstream.promotion.loading import TRUSTED_TYPES

    _check_types(model, estimator)
    mlflow.sklearn.save_model(
        estimator,
        str(target),
        mlflow_model=MlflowModel(
            artifact_path=logged.artifact_location, run_id=run_id, model_id=logged.model_id, model_uuid=logged.model_id
        ),
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        signature=signature(kinds),
        input_example=example.head(EXAMPLE_ROWS),
        pip_requirements=list(requirements),
        pyfunc_predict_fn="predict_proba" if model.task == "binary_classification" else "predict",
        metadata={"slipstream.task": model.task, "slipstream.model": model.name},
    )


def _check_types(model: Model, estimator: Any) -> None:
    import skops.io

    from slipstream.promotion.loading import untrusted_types

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        try:
            skops.io.dump(estimator, path)
        except Exception as error:
            message = f"Model {model.name!r}: its estimator cannot be saved as skops: {type(error).__name__}: {error}."
            raise FatalError(message) from error
        refused = untrusted_types(path)
    if refused:
        message = (
            f"Model {model.name!r}: its estimator holds types that are not on the list of trusted ones: {refused}. "
            f"Build it from scikit-learn's own classes, or add harmless types to TRUSTED_TYPES in "
            f"slipstream/promotion/loading.py."
        )
        raise FatalError(message)


def signature(kinds: Mapping[str, str]) -> Any:
    """Return MLflow's signature: each feature by name and type, all of them optional, since any may be missing."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec(kind, name, required=False) for name, kind in kinds.items()])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double")]))
