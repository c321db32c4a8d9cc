"""Settings, read once from ``SLIPSTREAM_*`` environment variables; the same names in development and production."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def find_project(start: Path | None = None) -> Path:
    """Return the nearest folder at or above ``start`` that has ``include/`` and ``dags/``; ``start`` where none has."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "include").is_dir() and (folder / "dags").is_dir():
            return folder
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "dags").is_dir() else here


def _half_of_memory() -> int:
    return int(psutil.virtual_memory().total // 2)


class Settings(BaseSettings):
    """Where things are and how much they may take. Every field is an environment variable ``SLIPSTREAM_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="SLIPSTREAM_", frozen=True, extra="ignore")

    project: Path = Field(default_factory=find_project, description="The folder with dags/ and include/.")
    home: Path = Field(default=Path(), description="All state of the embedded default. Default: <project>/.slipstream.")
    definitions: Path = Field(default=Path(), description="Definition folders. Default: <project>/include.")
    lake: str = Field(default="", description="Root of the lake, a folder or s3://bucket/prefix. Default: <home>/lake.")
    landing: str = Field(default="", description="Root that file sources read from. Default: <home>/landing.")
    staging: str = Field(
        default="", description="Scratch between tasks; shared by all workers. Default: <lake>/_staging."
    )
    reports: str = Field(default="", description="Where HTML reports are kept. Default: <lake>/_reports.")
    mlflow_tracking_uri: str = Field(
        default="", description="The MLflow server. Default: what `slipstream up` started."
    )
    mlflow_url: str = Field(default="", description="The MLflow UI's address, for links. Default: where the server is.")
    memory_limit: int = Field(default_factory=_half_of_memory, gt=0, description="Bytes that SQL may hold in memory.")
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, gt=0, description="Threads that SQL may use.")
    max_line_bytes: int = Field(default=1_000_000, gt=0, description="A longer line of a text file is quarantined.")
    chunk_rows: int = Field(default=100_000, gt=0, description="Rows that ingestion and scoring hold at a time.")
    warm_workers: bool = Field(default=True, description="Import heavy libraries once in the worker, not in each task.")
    s3_endpoint_url: str | None = Field(default=None, description="An S3 server other than Amazon's.")
    s3_allow_http: bool = Field(default=False, description="Speak plain HTTP to the S3 server.")
    airflow_port: int | None = Field(
        default=None, gt=0, lt=65536, description="Airflow's port. Default: 8080 or a free one."
    )
    mlflow_port: int | None = Field(
        default=None, gt=0, lt=65536, description="MLflow's port. Default: 5000 or a free one."
    )
    users: str = Field(
        default="",
        description="Users of the embedded Airflow besides admin and viewer: `ada:op,bo:user`, a name and a role each.",
    )
    erasure_key: SecretStr = Field(
        default=SecretStr(""),
        description="Secret that erased subjects are known again by. Default: what the first erasure left in <home>.",
    )
    airflow_url: str = Field(default="", description="The Airflow UI's address, for links. Default: the embedded one.")
    environment: Literal["dev", "staging", "prod"] = Field(
        default="dev", description="What this side is; exported versions say it, and prod takes in fewer of them."
    )
    signing_key: Path | None = Field(
        default=None, description="PEM file with the Ed25519 private key that signs exported versions."
    )
    trusted_keys: Path | None = Field(
        default=None, description="PEM file with the Ed25519 public keys whose archives may be imported."
    )
    archive_bytes: int = Field(default=1024**3, gt=0, lt=8 * 1024**3, description="A larger archive is not imported.")

    @field_validator("memory_limit", "archive_bytes", mode="before")
    @classmethod
    def _read_bytes(cls, value: Any) -> Any:
        if isinstance(value, str) and value[-1:].upper() in ("K", "M", "G"):
            return int(float(value[:-1]) * 1024 ** ("KMG".index(value[-1].upper()) + 1))
        return value

    @model_validator(mode="before")
    @classmethod
    def _fill_places(cls, values: dict[str, Any]) -> dict[str, Any]:
        project = Path(values.get("project") or find_project()).resolve()
        home = Path(values.get("home") or project / ".slipstream").absolute()
        lake = str(values.get("lake") or home / "lake").rstrip("/")
        places = {
            "project": project,
            "home": home,
            "definitions": values.get("definitions") or project / "include",
            "lake": lake,
            "landing": str(values.get("landing") or home / "landing").rstrip("/"),
            "staging": str(values.get("staging") or f"{lake}/_staging").rstrip("/"),
            "reports": str(values.get("reports") or f"{lake}/_reports").rstrip("/"),
        }
        return {**values, **places}

    @property
    def spill(self) -> Path:
        """Where DuckDB spills what does not fit into memory."""
        return self.home / "spill"

    @property
    def tracking_uri(self) -> str:
        """The MLflow server's address: the setting, or what the running embedded server wrote, or a clear error."""
        if self.mlflow_tracking_uri:
            return self.mlflow_tracking_uri
        address = self.home / "run" / "mlflow.url"
        if address.is_file():
            return address.read_text(encoding="utf-8").strip()
        from slipstream.errors import SettingsError

        message = (
            "No MLflow server is known: SLIPSTREAM_MLFLOW_TRACKING_URI is not set and none was started here. "
            "Run `slipstream up`, or set it."
        )
        raise SettingsError(message)

    @property
    def erasure_key_file(self) -> Path:
        """Where the first erasure leaves a key that it makes itself, on one machine."""
        return self.home / "erasure.key"

    def read_erasure_key(self) -> str:
        """Return the secret of erasures: the setting, or the file that the first erasure left; empty before that."""
        given = self.erasure_key.get_secret_value().strip()
        if given or not self.erasure_key_file.is_file():
            return given
        return self.erasure_key_file.read_text(encoding="utf-8").strip()

    def storage_options(self) -> dict[str, str]:
        """Options for object-store clients; credentials come from the usual ``AWS_*`` variables, never from here."""
        options: dict[str, str] = {}
        if self.s3_endpoint_url:
            options["AWS_ENDPOINT_URL"] = self.s3_endpoint_url
        if self.s3_allow_http or (self.s3_endpoint_url or "").startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
        return options


@functools.cache
def get_settings() -> Settings:
    """Return the settings of this process, read once; ``get_settings.cache_clear()`` reads them again."""
    return Settings()
