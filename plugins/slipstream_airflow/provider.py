"""What Airflow's connection forms know of Slipstream, by the entry point ``apache_airflow_provider``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the connection types ``lake`` and ``mlflow`` with their forms."""
    return {
        "package-name": "slipstream",
        "name": "Slipstream",
        "description": "The loop that keeps the best model in production.",
        "versions": [_version()],
        "connection-types": [_lake(), _mlflow()],
    }


def _version() -> str:
    try:
        return version("slipstream")
    except PackageNotFoundError:
        return "0"


def _lake() -> dict[str, Any]:
    return {
        "connection-type": "lake",
        "hook-class-name": "slipstream_airflow.hooks.lake.LakeHook",
        "hook-name": "Slipstream lake",
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "login", "password", "schema", "extra"],
            "relabeling": {},
            "placeholders": {},
        },
        "conn-fields": {
            "root": {
                "label": "Root",
                "description": "A folder that all workers see, or s3://bucket/prefix.",
                "schema": {"type": ["string", "null"]},
            },
            "endpoint_url": {
                "label": "S3 address",
                "description": "An S3 server other than Amazon's. Keys come from the usual AWS_* variables.",
                "schema": {"type": ["string", "null"]},
            },
            "allow_http": {
                "label": "Plain HTTP",
                "description": "Speak HTTP without encryption to the S3 server.",
                "schema": {"type": ["boolean", "null"], "default": False},
            },
        },
    }


def _mlflow() -> dict[str, Any]:
    return {
        "connection-type": "mlflow",
        "hook-class-name": "slipstream_airflow.hooks.tracking.MlflowHook",
        "hook-name": "MLflow",
        "ui-field-behaviour": {
            "hidden-fields": ["extra"],
            "relabeling": {"host": "Server", "schema": "Path"},
            "placeholders": {"host": "https://mlflow.example.org", "port": "5000", "schema": "behind/the/host"},
        },
    }
