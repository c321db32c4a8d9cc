"""Everything that a DAG file imports, by one name, for processes that DAG files are parsed in."""

from __future__ import annotations

from slipstream_airflow import assets, defaults, generation, params, schedules, timetables
from slipstream_airflow.notifications import alert
from slipstream_airflow.operators import (
    build_training_set,
    claim_training,
    compare_with_champion,
    decide_retraining,
    fit_candidate,
    load_batch,
    maintain_lake,
    materialise_features,
    promote_model,
    publish_batch,
    publish_predictions,
    register_challenger,
    reject_challenger,
    report_drift,
    report_performance,
    request_approval,
    restore_version,
    score_population,
    sweep_staging,
    validate_batch,
)
from slipstream_airflow.sensors import batch, table

__all__ = [
    "alert",
    "assets",
    "batch",
    "build_training_set",
    "claim_training",
    "compare_with_champion",
    "decide_retraining",
    "defaults",
    "fit_candidate",
    "generation",
    "load_batch",
    "maintain_lake",
    "materialise_features",
    "params",
    "promote_model",
    "publish_batch",
    "publish_predictions",
    "register_challenger",
    "reject_challenger",
    "report_drift",
    "report_performance",
    "request_approval",
    "restore_version",
    "schedules",
    "score_population",
    "sweep_staging",
    "table",
    "timetables",
    "validate_batch",
]
